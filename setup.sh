#!/usr/bin/env bash
# Makes .venv beside this script and installs the grader into it; run again, it sees that nothing is to be done.
#
#     ./setup.sh          what grading needs
#     ./setup.sh --dev    the same, and what the tests need
#
# Gradescope runs it once, as root, while it builds the image; a laptop needs no root. Two variables:
#     PYTHON           the interpreter, 3.10 or later, if the first one found is not the right one
#     TORCH_CPU_INDEX  where PyTorch's CPU-only wheels are; empty for the registry's ordinary wheels
set -euo pipefail
umask 022                   # the unprivileged user who runs student code has to read all this
unset PYTHONHOME PYTHONPATH # they would point the new environment to packages elsewhere

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
venv=$root/.venv
cpu_index=${TORCH_CPU_INDEX-https://download.pytorch.org/whl/cpu}

say() { printf 'setup.sh: %s\n' "$*"; }
die() {
  say "$@" >&2
  exit 1
}

case $* in
  '') mode=grade extras='' ;;
  --dev) mode=dev extras='[dev]' ;;
  -h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  *)
    say "usage: ./setup.sh [--dev]" >&2
    exit 2
    ;;
esac

# --- Which interpreter ---

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }
makes_venvs() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; } # Debian splits this off
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Sets python: one that makes environments if there is one, else one that is recent enough, else nothing.
find_python() {
  python=
  if [ -n "${PYTHON-}" ]; then
    recent "$PYTHON" || die "PYTHON=$PYTHON is not a Python of version 3.10 or later"
    python=$PYTHON
    return
  fi
  local name
  for name in python3 python3.13 python3.12 python3.11 python3.10; do
    recent "$name" || continue
    python=${python:-$name}
    if makes_venvs "$name"; then
      python=$name
      return
    fi
  done
}

apt_install() {
  say "installing with apt: $*"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

need_python() {
  local package
  find_python
  if [ -z "$python" ] || ! makes_venvs "$python"; then
    package=python3-venv
    [ -z "$python" ] || package=python$(version "$python")-venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt_install python3 "$package" ca-certificates
      find_python
    fi
  fi
  [ -n "$python" ] || die "no Python of version 3.10 or later was found; set PYTHON to one"
  makes_venvs "$python" || die "$python has no venv and pip; on Debian or Ubuntu, install $package"
}

# --- Which wheels of PyTorch ---

has_nvidia() { [ -e /proc/driver/nvidia/version ] || [ -e /dev/dxg ] || command -v nvidia-smi >/dev/null; }

answers() { # within ten seconds, name resolution included
  timeout 10 "$venv/bin/python" - "$1/torch/" >/dev/null 2>&1 <<'PYTHON'
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=5).close()
PYTHON
}

# Elsewhere than on Linux the ordinary wheels are the CPU's (or the Mac's GPU's) already.
install_cpu_torch() {
  [ "$(uname -s)" = Linux ] || return 0
  if has_nvidia; then
    say "NVIDIA driver found: taking PyTorch's ordinary wheels"
  elif [ -z "$cpu_index" ]; then
    say "TORCH_CPU_INDEX is empty: taking PyTorch's ordinary wheels (about 5 GB)"
  elif ! answers "$cpu_index"; then
    say "$cpu_index does not answer: taking PyTorch's ordinary wheels (about 5 GB)"
  else
    say "no NVIDIA driver: taking PyTorch's CPU wheels from $cpu_index"
    pip install --index-url "$cpu_index" torch torchvision
  fi
}

# --- The installation ---

pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; } # it still tells its errors

# What .venv was made from: its first line is the folder, which is written into the environment's own files.
stamp() { printf '%s\n' "$root" "$1" && cksum <"$root/pyproject.toml" && cksum <"$root/constraints.txt"; }

is_current() {
  local made
  made=$(cat "$venv/stamp" 2>/dev/null) || return 1
  [ "$made" = "$(stamp dev)" ] || [ "$made" = "$(stamp "$mode")" ] || return 1
  recent "$venv/bin/python" || return 1
  [ -z "${PYTHON-}" ] || [ "$(version "$PYTHON")" = "$(version "$venv/bin/python")" ]
}

is_reusable() { # another Python's environment, or one that came from elsewhere, is made anew
  [ "$(version "$venv/bin/python")" = "$(version "$python")" ] || return 1
  [ ! -e "$venv/stamp" ] || [ "$(head -n 1 "$venv/stamp")" = "$root" ]
}

if is_current; then
  say "$venv is up to date"
  exit
fi

need_python
say "making $venv with $("$python" --version)"
if is_reusable; then "$python" -m venv "$venv"; else "$python" -m venv --clear "$venv"; fi
rm -f "$venv/stamp" # until all is done
new_stamp=$(stamp "$mode") # of the files as they are now, should they change meanwhile
if [ "$root" = /autograder/source ]; then export PIP_NO_CACHE_DIR=1; fi # pip's cache would stay in the image

say "installing takes some minutes, and 1 to 2 GB on the disk with PyTorch's CPU wheels, 6 GB with its ordinary ones"
install_cpu_torch
(cd -- "$root" && pip install --constraint constraints.txt --editable ".$extras")

# The two come as a pair; from different places, torchvision does not find its operators in torch.
"$venv/bin/python" -c 'import torchvision' ||
  die "torch and torchvision do not fit together: remove $venv and run this again"
"$venv/bin/python" -m compileall -q "$root/autograder" # later runs may not be allowed to write there

# What is in the image need not be fetched, drawn or looked for again for each submission; without a network, the
# training run takes drawn digits in the place of MNIST.
if [ "$root" = /autograder/source ]; then
  XDG_CACHE_HOME=$root/.cache "$venv/bin/python" -c '
import matplotlib.font_manager
from autograder import digits
found = digits.load()
print("setup.sh: training will use", found.source, *found.notes, sep="\n  ")' ||
    say "no digits were prepared; each run looks for them again"
fi
printf '%s\n' "$new_stamp" >"$venv/stamp"
say "done"
