package doctor

import (
	"fmt"
	"os"
)

// SecretFile says whether only those may read a file of secrets who should: its owner and its
// group. setting is what names it.
func SecretFile(setting, path string) Finding {
	f := Finding{Check: setting, Status: OK}
	info, err := os.Stat(path)
	if err != nil {
		f.Status, f.Found = Fail, err.Error()
		return f
	}
	mode := info.Mode().Perm()
	f.Found = fmt.Sprintf("%s has mode %04o", path, mode)
	if loose := mode & 0o027; loose != 0 {
		f.Status, f.Do = Warn, fmt.Sprintf("chmod %04o %s", mode&^0o027, path)
		f.Found += ": others than its owner and group may read it, or others than its owner change it"
	}
	return f
}
