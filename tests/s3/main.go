// Command s3 is the lab's S3 server: versitygw, a real one, with one bucket in a folder. Its TCP socket is inherited, since it lies in the
// lab's network namespace, which this process stays out of: the lab counts what runs in there.
//
//	s3 -dir DIR -bucket NAME -cert FILE -key FILE
//
// The credentials are S3_ACCESS_KEY and S3_SECRET_KEY of the environment.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// What the gateway may do at once: a lab has a handful of servers.
const atOnce = 64

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "s3:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", "", "where objects and their metadata are kept")
	bucket := flag.String("bucket", "", "the bucket that there is")
	cert := flag.String("cert", "", "certificate")
	key := flag.String("key", "", "and its key")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	// Metadata beside the objects rather than in extended attributes, which not every file system has.
	objects, sidecar := filepath.Join(*dir, "objects"), filepath.Join(*dir, "metadata")
	for _, path := range []string{filepath.Join(objects, *bucket), sidecar} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	storer, err := meta.NewSideCar(sidecar)
	if err != nil {
		return err
	}
	backend, err := posix.New(objects, storer, posix.PosixOpts{SideCarDir: sidecar})
	if err != nil {
		return err
	}
	socket := filepath.Join(*dir, "s3.sock")
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: os.Getenv("S3_ACCESS_KEY"), RootUserSecret: os.Getenv("S3_SECRET_KEY"),
		Ports: []string{socket}, CertFile: *cert, KeyFile: *key,
		MaxConnections: atOnce, MaxRequests: atOnce, MultipartMaxParts: 10000, KeepAlive: true, Quiet: true,
		// Who connects before that waits.
		S3Options: []s3api.Option{s3api.WithOnListen(func() { go forward(listener, socket) })},
	})
}
