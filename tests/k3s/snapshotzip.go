package main

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// compress replaces a snapshot by an archive that holds it.
func compress(path string, now time.Time) (string, error) {
	logf("Compressing etcd snapshot file: %s", filepath.Base(path))
	err := zipFile(path, now)
	if removed := os.Remove(path); removed != nil && !os.IsNotExist(removed) {
		warnf("Failed to remove uncompress snapshot file: %v", removed)
	}
	if err != nil {
		_ = os.Remove(path + zipExtension)
		return "", err
	}
	logf("Compressed snapshot: %s", path+zipExtension)
	return path + zipExtension, nil
}

func zipFile(path string, now time.Time) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header, err := zip.FileInfoHeader(info)
	if err != nil {
		return err
	}
	header.Name, header.Method, header.Modified = filepath.Base(path), zip.Deflate, now
	out, err := os.Create(path + zipExtension)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(out)
	writer, err := archive.CreateHeader(header)
	if err == nil {
		_, err = io.Copy(writer, in)
	}
	return errors.Join(err, archive.Close(), out.Close())
}

// decompress unpacks a snapshot. As with k3s, it goes to the working directory and stays there.
func decompress(archive string) (string, error) {
	logf("Decompressing etcd snapshot file: %s", archive)
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	name := ""
	for _, file := range reader.File {
		name = strings.ReplaceAll(file.Name, zipExtension, "")
		if err := unzipFile(file, name); err != nil {
			return "", err
		}
	}
	return name, nil
}

func unzipFile(file *zip.File, path string) error {
	in, err := file.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, file.Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}
