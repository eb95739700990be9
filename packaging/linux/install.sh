#!/bin/sh
# Puts the menu entry, the icons and the file type into a prefix: packaging/linux/install.sh [~/.local | /usr/local]
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
share="${1:-$HOME/.local}/share"

install -D -m 644 "$here/psdstudio.desktop" "$share/applications/psdstudio.desktop"
install -D -m 644 "$here/psdstudio-mime.xml" "$share/mime/packages/psdstudio.xml"
install -D -m 644 "$root/resources/icons/psdstudio.svg" "$share/icons/hicolor/scalable/apps/psdstudio.svg"
for size in 16 24 32 48 64 128 256 512; do
  install -D -m 644 "$here/../icons/psdstudio-$size.png" "$share/icons/hicolor/${size}x$size/apps/psdstudio.png"
done

# Started from a checkout, the program is not on the PATH: name it in full.
if [ -x "$root/.venv/bin/psdstudio-gui" ]; then
  sed -i "s|^Exec=psdstudio-gui|Exec=\"$root/.venv/bin/psdstudio-gui\"|" "$share/applications/psdstudio.desktop"
fi
# Both tools are optional: without them the entries appear after the next login.
if command -v update-desktop-database >/dev/null 2>&1; then update-desktop-database "$share/applications"; fi
if command -v update-mime-database >/dev/null 2>&1; then update-mime-database "$share/mime"; fi
echo "PSDStudio is in the menu now ($share)"
