// A Go program that does nothing until it is ended.
package main

import "time"

func main() {
	for {
		time.Sleep(time.Hour)
	}
}
