package main

// #include <stdio.h>
import "C"

import "time"

func main() {
	C.setvbuf(C.stdout, nil, C._IONBF, 0)
	for {
		time.Sleep(time.Hour)
	}
}
