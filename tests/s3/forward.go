package main

import (
	"errors"
	"io"
	"net"
	"os"
)

// forward hands the connections of an inherited socket to the gateway's: it opens its own, and takes no other.
func forward(inherited *os.File, socket string) error {
	listener, err := net.FileListener(inherited)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go pipe(conn, socket)
			}
		}
	}()
	return nil
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
