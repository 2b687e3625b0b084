// Command controlplane is all programs of a Kubernetes control plane in one: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, and kubectl to talk to them.
//
// Which of them it is says the name it is called by, else its first argument:
//
//	ln -s controlplane etcd && ./etcd --version
//	controlplane etcd --version
//
// They share most of their code, so one binary is built, linked and kept in a third of the time
// and space of five. What each does is upstream's alone: nothing here but its main function.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // CronJobs name time zones, and a machine for tests may have none installed

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to log in that a kubeconfig may ask for
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // rest_client_* on each /metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info there, too
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var programs = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          func() { serve(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() { serve(controllers.NewControllerManagerCommand()) },
	"kube-scheduler":          func() { serve(scheduler.NewSchedulerCommand()) },
	"kubectl":                 runKubectl,
}

func main() {
	program, found := programs[filepath.Base(os.Args[0])]
	if !found && len(os.Args) > 1 {
		if program, found = programs[os.Args[1]]; found {
			os.Args = os.Args[1:] // what a program reads of its arguments begins with its own name
		}
	}
	if !found {
		names := make([]string, 0, len(programs))
		for name := range programs {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(os.Stderr, "usage: %s {%s} ...\n", os.Args[0], strings.Join(names, "|"))
		os.Exit(2)
	}
	program()
}

func serve(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

// The same as kubectl's own main function, which is not in a package that can be imported.
func runKubectl() {
	logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) //nolint:errcheck // upstream ignores it, too
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
