// Has a famous name but is something else: its container starts it once with "serve", and nobody may start it again.
// Whoever does leaves a marker behind.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	_, err := os.OpenFile("/tmp/started", os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil || len(os.Args) != 2 || os.Args[1] != "serve" {
		os.WriteFile("/tmp/ran-again", []byte("this program was started a second time\n"), 0o600)
		return
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}
