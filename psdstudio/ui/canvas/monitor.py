"""The colour profile of the main monitor, where the system tells it. Qt does not: these are the systems' own ways.

X11: the property _ICC_PROFILE of the root window ("ICC Profiles in X Specification" 0.4), which colord, argyll and
xiccd set. Windows: the file that GetICMProfileW names for the screen. macOS converts windows itself (`psdstudio.app`),
and Wayland keeps the matter to the compositor.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import logging
import sys
from pathlib import Path

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.errors import FileUnsupported
from psdstudio.io.colour import MAX_PROFILE_BYTES, profile_from_icc

_log = logging.getLogger(__name__)
_ATOM_ANY = 0
_BYTES_FORMAT = 8


def monitor_profile(platform: str) -> ColourProfile | None:
    """Return the main monitor's space; None where it is sRGB, not told, or not usable.

    `platform` is Qt's name of the window system (`QGuiApplication.platformName`).
    """
    try:
        icc = {"xcb": _of_x11, "windows": _of_windows}[platform]() if platform in {"xcb", "windows"} else b""
        return profile_from_icc(icc) if icc else None
    except FileUnsupported:
        _log.info("the monitor's profile cannot be used; the screen is taken as sRGB")
    except (OSError, AttributeError, ValueError, ctypes.ArgumentError) as exc:
        _log.info("the monitor's profile could not be read: %s", exc)
    return None


def _of_x11() -> bytes:
    """Return the bytes of the property; b"" without one. A display of its own: Qt's is busy with events."""
    name = ctypes.util.find_library("X11")
    if name is None:
        return b""
    x11 = ctypes.CDLL(name)
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
    x11.XInternAtom.restype = ctypes.c_ulong
    x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    x11.XCloseDisplay.argtypes = x11.XFree.argtypes = [ctypes.c_void_p]
    display = x11.XOpenDisplay(None)
    if not display:
        return b""
    try:
        atom = x11.XInternAtom(display, b"_ICC_PROFILE", 1)
        return _property(x11, display, x11.XDefaultRootWindow(display), atom) if atom else b""
    finally:
        x11.XCloseDisplay(display)


def _property(x11: ctypes.CDLL, display: int, window: int, atom: int) -> bytes:
    kind, size, left = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_ulong()
    form, data = ctypes.c_int(), ctypes.c_void_p()
    x11.XGetWindowProperty.argtypes = [
        ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_ulong,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    status = x11.XGetWindowProperty(
        display, window, atom, 0, MAX_PROFILE_BYTES // 4, 0, _ATOM_ANY,
        ctypes.byref(kind), ctypes.byref(form), ctypes.byref(size), ctypes.byref(left), ctypes.byref(data),
    )  # fmt: skip
    if status != 0 or not data.value:
        return b""
    try:
        is_whole = form.value == _BYTES_FORMAT and left.value == 0
        return ctypes.string_at(data.value, size.value) if is_whole else b""
    finally:
        x11.XFree(data)


def _of_windows() -> bytes:
    if sys.platform != "win32":
        return b""
    user, gdi = ctypes.windll.user32, ctypes.windll.gdi32
    user.GetDC.restype = ctypes.c_void_p
    gdi.GetICMProfileW.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_ulong), ctypes.c_wchar_p]
    user.ReleaseDC.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    screen = user.GetDC(None)
    try:
        length = ctypes.c_ulong(1024)
        name = ctypes.create_unicode_buffer(length.value)
        if not gdi.GetICMProfileW(screen, ctypes.byref(length), name):
            return b""
        path = Path(name.value)
        return path.read_bytes() if path.stat().st_size <= MAX_PROFILE_BYTES else b""
    finally:
        user.ReleaseDC(None, screen)
