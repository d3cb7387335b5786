#!/usr/bin/env bash
# Gradescope's container, as far as a root shell can make one: builds it from autograder.zip, grades what is given.
#
#     unshare --mount tests/container.sh ROOT ZIP PACKAGES WHEELS GIVEN
#
# ROOT: a minimal Debian with Python; PACKAGES: the site-packages of an environment with all that the grader needs,
# which lie below the container's own, so that pip finds them there and torch is not fetched anew; WHEELS: what pip
# needs besides; GIVEN: a folder for each submission, into which results/, the time and what changed are put.
# LIMITS: files into which the process to limit is written (cgroups); may be empty.
set -euo pipefail
root=$1 zip=$2 packages=$3 wheels=$4 given=$5
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV

say() { printf '\n--- [%d s] %s\n' "$SECONDS" "$*"; }
inside() { chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }

say 'what Gradescope does with the zip'
source=$root/autograder/source
mkdir -p "$source" "$root/autograder/results" "$root/wheels"
cp "$zip" "$root/autograder.zip"
inside python3 -m zipfile -e /autograder.zip /autograder/source
cp "$source/run_autograder" "$root/autograder/run_autograder"
dos2unix -q "$root/autograder/run_autograder" "$source/setup.sh"
chmod +x "$root/autograder/run_autograder"

say 'packages in the place of a download'
mount -t proc proc "$root/proc"
mount --bind "$wheels" "$root/wheels"
inside python3 -m venv --without-pip /autograder/source/.venv
site=$(echo "$source"/.venv/lib/python3*/site-packages)
mkdir "$root/layers"
mount -t tmpfs none "$root/layers"
mkdir "$root/layers/upper" "$root/layers/work"
mount -t overlay overlay -o "lowerdir=$packages,upperdir=$root/layers/upper,workdir=$root/layers/work" "$site"

say 'bash setup.sh'
inside TORCH_CPU_INDEX= PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels DEBIAN_FRONTEND=noninteractive bash /autograder/source/setup.sh

look() { (cd "$root/autograder" && find . -path ./results -prune -o -path ./submission -prune -o -printf '%p %y %m %U %s %T@\n' | sort); }

# What Docker leaves to root: no CAP_SYS_ADMIN.
caps=chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod
caps=+${caps//,/,+},+audit_write,+setfcap
for one in "$given"/*/; do
  say "grading $(basename "$one")"
  rm -rf "$root/autograder/submission" "$root/autograder/results"
  cp -r "$one" "$root/autograder/submission"
  mkdir "$root/autograder/results"
  look >"$given/before"
  begin=$(date +%s%N)
  (
    for file in ${LIMITS-}; do echo "$BASHPID" >"$file"; done
    exec setpriv --bounding-set="-all,$caps" --inh-caps="-all,$caps" chroot "$root" \
      env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
      bash -c 'cd /autograder && exec /autograder/run_autograder'
  ) >"$one/stdout" 2>&1 || echo "exit code $?" >>"$one/stdout"
  echo $((($(date +%s%N) - begin) / 1000000)) >"$one/milliseconds"
  look | diff "$given/before" - >"$one/changed" || true
  cp -r "$root/autograder/results" "$one/results"
done
say 'done'
