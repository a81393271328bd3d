// Does nothing until it is told to end.
process.on("SIGTERM", () => process.exit(0));
setInterval(() => {}, 2 ** 31 - 1);
