package sqlite

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// networkFS are the file systems on which WAL and file locks do not hold
// between hosts. FUSE is not among them: it may be a local disk.
var networkFS = map[uint32]string{
	unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "cifs",
	unix.SMB2_SUPER_MAGIC: "smb2", unix.AFS_SUPER_MAGIC: "afs", unix.CODA_SUPER_MAGIC: "coda",
}

// localFS refuses a directory on a network file system (CORRECTNESS 3.10).
func localFS(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	return refuse(uint32(st.Type), dir)
}

func refuse(magic uint32, dir string) error {
	if name, found := networkFS[magic]; found {
		return fmt.Errorf("%s is %s: %w", dir, name, ErrNetworkFS)
	}
	return nil
}
