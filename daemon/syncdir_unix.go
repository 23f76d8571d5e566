//go:build unix

package daemon

import (
	"errors"
	"os"
)

// syncDir puts a rename on the disk.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
