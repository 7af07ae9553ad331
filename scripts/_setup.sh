# Sourced by demo, test and readers: makes what they need, once, in an environment that only grows. Sets $python.
#
#   read_version OPTIONS...   takes --python VERSION from the front of the options; leaves the others in $rest
#   prepare REQUIREMENTS      system libraries, an environment in .venv/, the package in it

# the bpy package exists for these: Blender 5.2 and Blender 4.5
supported_pythons="3.13 3.11"

# what the bpy package loads, and software OpenGL for EEVEE, where a machine has no screen
system_packages="libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libxext6 libgl1 libegl1 libegl-mesa0 libgl1-mesa-dri"
system_libraries="libX11.so.6 libXrender.so.1 libXfixes.so.3 libXi.so.6 libxkbcommon.so.0 libSM.so.6 libICE.so.6 libXext.so.6 libGL.so.1 libEGL.so.1 libEGL_mesa.so.0"

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

die() { printf '%s: %s\n' "$program" "$*" >&2; exit 3; }

program=scripts/$(basename "$0")
trap 'printf "\n%s: stopped\n" "$program" >&2; exit 130' INT

read_version() {
  version=""
  case ${1:-} in
    --python) version=${2:-nothing}; shift $(($# < 2 ? $# : 2)) ;;
    --python=*) version=${1#*=}; shift ;;
  esac
  rest=("$@")
  case " $supported_pythons " in
    *" ${version:-3.13} "*) ;;
    *) die "--python $version: the bpy package, Blender itself, exists for Python 3.13 (Blender 5.2) and 3.11 (Blender 4.5) only; give one of these, or leave the option out" ;;
  esac
}

prepare() {
  cd "$root"
  install_system_packages
  find_python
  environment=$root/.venv/$version
  python=$environment/bin/python
  { holds "$1" && holds pyproject.toml; } || make_environment "$1"
}

# Whether the environment was made from a file as it is now; a copy of the file is kept there.
holds() { cmp -s "$1" "$environment/.made-from/$(basename "$1")"; }

install_system_packages() {
  [ "$(uname -s)" = Linux ] || return 0
  local known wanted="" library
  known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
  for library in $system_libraries; do
    case $known in *"$library "*) ;; *) wanted=$system_packages ;; esac
  done
  has_uv || python3 -c 'import ensurepip, venv' 2>/dev/null || wanted="$wanted python3-venv"
  [ -n "$wanted" ] || return 0
  command -v apt-get >/dev/null || die "please install what your system calls these Debian packages: $wanted"
  local sudo=""
  if [ "$(id -u)" != 0 ]; then
    sudo="sudo"
    sudo -n true 2>/dev/null || die "please run this line once, then start again:
  sudo apt-get update && sudo apt-get install -y $wanted"
  fi
  say "Installing system libraries"
  local log
  # shellcheck disable=SC2086
  log=$( { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq -y --no-install-recommends $wanted; } 2>&1) \
    || fail_download "apt-get could not install $wanted" "$log"
}

# Takes a supported Python that is there, the newest first; else the one that uv will fetch.
find_python() {
  local candidate wanted
  for wanted in ${version:-$supported_pythons}; do
    for candidate in "$root/.venv/$wanted/bin/python" "python$wanted" python3 "$HOME"/.pyenv/versions/"$wanted".*/bin/python; do
      if [ "$(version_of "$candidate")" = "$wanted" ]; then
        version=$wanted
        interpreter=$(command -v "$candidate")
        return
      fi
    done
  done
  version=${version:-3.13}
  interpreter=$version
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

has_uv() { uv=$(PATH="$PATH:$root/.venv/tools/bin" command -v uv); }

find_uv() {
  has_uv && return
  say "Installing uv, which makes the environment"
  local log
  log=$( { python3 -m venv "$root/.venv/tools" && "$root/.venv/tools/bin/pip" install --quiet --disable-pip-version-check uv; } 2>&1) \
    || fail_download "pip could not install uv" "$log"
  has_uv
}

# What is there is added to, never taken out: the demo and the tests share it.
make_environment() {
  install "$1" "some 400 MB"
  local log
  if ! holds pyproject.toml; then
    log=$("$uv" pip install --quiet --python "$python" --no-deps --editable . 2>&1) \
      || fail_download "uv could not install this package" "$log"
  fi
  remember "$1" pyproject.toml
}

# install REQUIREMENTS SIZE [OPTIONS OF UV...]: what a file pins, into $environment
install() {
  find_uv
  local log command=("$uv" pip install --python "$python" --require-hashes -r "$1")
  [ $# = 2 ] || command+=("${@:3}")
  [ "$interpreter" != "$version" ] || announce_python
  log=$("$uv" venv --quiet --allow-existing --python "$interpreter" "$environment" 2>&1) \
    || fail_download "uv could not make an environment with Python $version" "$log"
  # in advance and without a word, as what uv says where there is no network fills a page
  log=$("${command[@]}" --quiet --dry-run 2>&1) || fail_download "uv could not find what $1 names" "$log"
  say "Making the environment $environment from $1 ($2 the first time)"
  "${command[@]}" || die "uv could not install $1; what it says above tells why"
}

remember() {
  [ ! -f "$environment/.made-from" ] || rm "$environment/.made-from" # of an earlier release
  mkdir -p "$environment/.made-from"
  cp "$@" "$environment/.made-from"
}

announce_python() {
  local there advice=""
  there=$(version_of python3)
  if apt-cache show "python$version" >/dev/null 2>&1; then
    advice="; or stop here and take your system's: sudo apt install python$version"
  fi
  say "Blender's bpy package needs Python 3.13 or 3.11, and this machine has ${there:-none}: uv fetches a Python $version of its own (some 30 MB)$advice"
}

# fail_download WHAT LOG: in one line where it is the network's fault, else with all that was said
fail_download() {
  case $2 in
    *"error sending request"* | *"Failed to fetch"* | *"Failed to download"* | *"dns error"* | *"Temporary failure"* | *NewConnectionError* | *"Could not resolve"* | *"Could not connect"*)
      die "no network? $1, which has to be downloaded once" ;;
  esac
  printf '%s\n' "$2" >&2
  die "$1; what it says above tells why"
}
