# Sourced by demo and test: makes what they need, once. Sets $python.
#
#   prepare PYTHON_VERSION REQUIREMENTS   system libraries, an environment in .venv/, the package in it

# what the bpy package loads, and software OpenGL for EEVEE, where a machine has no screen
system_packages="libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libxext6 libgl1 libegl1 libegl-mesa0 libgl1-mesa-dri"
system_libraries="libX11.so.6 libXrender.so.1 libXfixes.so.3 libXi.so.6 libxkbcommon.so.0 libSM.so.6 libICE.so.6 libXext.so.6 libGL.so.1 libEGL.so.1 libEGL_mesa.so.0"

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

die() { printf '%s\n' "$*" >&2; exit 3; }

prepare() {
  cd "$root"
  install_system_packages
  find_uv
  make_environment "$1" "$2"
}

install_system_packages() {
  [ "$(uname -s)" = Linux ] || return 0
  local known wanted="" library
  known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
  for library in $system_libraries; do
    case $known in *"$library "*) ;; *) wanted=$system_packages ;; esac
  done
  python3 -c 'import ensurepip, venv' 2>/dev/null || wanted="$wanted python3-venv"
  [ -n "$wanted" ] || return 0
  command -v apt-get >/dev/null || die "Please install what your system calls these Debian packages: $wanted"
  local sudo=""
  if [ "$(id -u)" != 0 ]; then
    sudo="sudo"
    sudo -n true 2>/dev/null || die "Please run this line once, then start again:
  sudo apt-get update && sudo apt-get install -y $wanted"
  fi
  say "Installing system libraries"
  # shellcheck disable=SC2086
  $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq -y --no-install-recommends $wanted >/dev/null \
    || die "apt-get could not install: $wanted"
}

find_uv() {
  uv=$(command -v uv || true)
  [ -n "$uv" ] && return
  uv=$root/.venv/tools/bin/uv
  [ -x "$uv" ] && return
  say "Installing uv, which makes the environment"
  python3 -m venv "$root/.venv/tools"
  "$root/.venv/tools/bin/pip" install --quiet --disable-pip-version-check uv
}

# The bpy package exists for Python 3.13 (Blender 5.2) and 3.11 (Blender 4.5): take what is there, else let uv bring 3.13.
find_python() {
  local version candidate
  for version in ${1:-3.13 3.11}; do
    for candidate in "python$version" python3 "$HOME"/.pyenv/versions/"$version".*/bin/python; do
      if [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
        command -v "$candidate"
        return
      fi
    done
  done
  printf '%s\n' "${1:-3.13}"
}

make_environment() {
  local interpreter version environment stamp
  interpreter=$(find_python "$1")
  version=${1:-$("$interpreter" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo "$interpreter")}
  environment=$root/.venv/$version
  python=$environment/bin/python
  stamp=$environment/.made-from
  if ! cat "$2" pyproject.toml | cmp -s - "$stamp"; then
    say "Making the environment $environment from $2 (some 400 MB the first time)"
    "$uv" venv --quiet --allow-existing --python "$interpreter" "$environment"
    "$uv" pip sync --python "$python" --require-hashes "$2"
    "$uv" pip install --quiet --python "$python" --no-deps --editable .
    cat "$2" pyproject.toml > "$stamp"
  fi
}
