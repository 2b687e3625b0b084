// Command registry is the Distribution registry with the parts that tests use: images on disk, and
// passwords from a file, of which it can write the lines, too. It is a module of its own, as its
// dependencies are newer than those that Kubernetes is tested with.
//
//	registry serve config.yaml
//	printf secret | registry htpasswd NAME >> htpasswd
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	registry.RootCmd.AddCommand(&cobra.Command{
		Use:   "htpasswd NAME",
		Short: "Print a line for NAME with the password on standard input",
		Args:  cobra.ExactArgs(1),
		RunE:  printPassword,
	})
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}

func printPassword(command *cobra.Command, arguments []string) error {
	password, err := io.ReadAll(command.InOrStdin())
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword(password, bcrypt.MinCost)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "%s:%s\n", arguments[0], hash)
	return err
}
