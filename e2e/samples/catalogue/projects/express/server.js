const express = require("express");

const app = express();
app.get("/", (_request, response) => response.send("orders"));
app.listen(process.env.SOCKET ?? "/tmp/orders.sock");
