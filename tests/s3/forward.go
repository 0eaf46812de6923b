package main

import (
	"errors"
	"io"
	"net"
)

// forward hands the connections of an inherited socket to the gateway's: it opens its own, and takes no other.
func forward(listener net.Listener, socket string) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go pipe(conn, socket)
		}
	}
}

func pipe(conn net.Conn, socket string) {
	defer conn.Close()
	gateway, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer gateway.Close()
	go func() {
		_, _ = io.Copy(gateway, conn)
		gateway.Close()
	}()
	_, _ = io.Copy(conn, gateway)
}
