// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a completion script for a shell",
		Long: `completion prints a script that lets a shell complete commands, flags and their
values. Make every new shell read the script:

  ~/.bashrc                   source <(quayside completion bash)
  ~/.zshrc                    source <(quayside completion zsh)
  ~/.config/fish/config.fish  quayside completion fish | source
  $PROFILE                    quayside completion powershell | Out-String | iex

The script for bash needs the package bash-completion.`,
		Example:   "  quayside completion bash",
		Args:      exactly("the name of a shell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		root := cmd.Root()
		switch args[0] {
		case "bash":
			return root.GenBashCompletionV2(a.out, true)
		case "zsh":
			return root.GenZshCompletion(a.out)
		case "fish":
			return root.GenFishCompletion(a.out, true)
		case "powershell":
			return root.GenPowerShellCompletionWithDesc(a.out)
		}
		return usagef("no completion for %q: bash, zsh, fish and powershell have one%s", args[0], didYouMean(cmd))
	}
	return cmd
}
