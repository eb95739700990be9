"""A small stage for Blender's path tracer: models, floor, lamp, sky, camera, and pictures as arrays.

Blender as a module (`bpy`, GPL) comes with the extra "render". It is a tool of the build: nothing of the product
imports this. Axes: x right, y away from the viewer, z up; lengths in metres; the picture's colours are sRGB without a
tone curve, so that layers put together again give the whole.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from psdstudio.errors import FileError, StudioError
from psdstudio.training.assets.furniture import FurnitureModel, unpack

Vector = tuple[float, float, float]
SKIES: Final = ("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset")
"""Panoramas that come with Blender, CC0 (license.txt beside them)."""
_Z_UP: Final = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)


class RendererMissing(StudioError):
    """The path tracer is not installed."""


def blender() -> Any:
    """Return the module `bpy`.

    Raises:
        RendererMissing: It is not installed.
    """
    try:
        import bpy  # only the build of pictures needs it, from the extra "render"
    except ImportError as error:
        raise RendererMissing(
            "The path tracer is not installed.",
            "It comes with: pip install psdstudio[render] (Python 3.11 only).",
        ) from error
    return bpy


@dataclass(frozen=True, slots=True)
class Shot:
    """How a picture is taken: pixels, samples a pixel, and the seed of the samples."""

    width: int
    height: int
    samples: int
    seed: int
    bounces: int = 6


def empty_stage(shot: Shot) -> Any:
    """Start an empty scene that renders on the CPU as `shot` says; returns Blender's scene."""
    bpy = blender()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = shot.samples
    scene.cycles.seed = shot.seed
    # Adaptive sampling and time limits would let the picture depend on more than the seed.
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = True
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.denoising_prefilter = "FAST"  # the accurate one takes longer than a small picture itself
    scene.cycles.max_bounces = shot.bounces
    scene.cycles.film_transparent_glass = True
    scene.render.resolution_x, scene.render.resolution_y = shot.width, shot.height
    scene.render.resolution_percentage = 100
    scene.render.use_persistent_data = True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.compression = 0
    scene.view_settings.view_transform = "Standard"
    return scene


def use_threads(scene: Any, threads: int) -> None:
    """Render on so many threads; the picture does not depend on it."""
    scene.render.threads_mode, scene.render.threads = "FIXED", threads


def add_model(model: FurnitureModel, yaw_deg: float, *, scale: float = 1.0) -> list[Any]:
    """Put a model with its foot's centre at the origin, of its catalogue's size times `scale`; returns its meshes.

    Raises:
        FileError: The model holds no mesh.
    """
    bpy = blender()
    known = set(bpy.data.objects)
    with tempfile.TemporaryDirectory() as name:
        path = unpack(model, Path(name))
        bpy.ops.wm.obj_import(filepath=str(path), forward_axis="NEGATIVE_Z", up_axis="Y")
        _keep_textures(bpy)
    meshes = [o for o in bpy.data.objects if o not in known and o.type == "MESH" and len(o.data.vertices)]
    if not meshes:
        raise FileError("A model holds nothing to be seen.", model.slug)
    _set_in_place(meshes, model, yaw_deg, scale)
    return meshes


def _keep_textures(bpy: Any) -> None:
    """Take the textures into memory: their folder is gone when the picture is rendered.

    Some materials name a file of their author's own disk. Those keep their plain colour, as in Sweet Home 3D.
    """
    for image in [i for i in bpy.data.images if i.source == "FILE" and not i.packed_file]:
        if Path(bpy.path.abspath(image.filepath)).is_file():
            image.pack()
            continue
        for material in bpy.data.materials:
            if material.node_tree is not None:
                for node in [n for n in material.node_tree.nodes if getattr(n, "image", None) == image]:
                    material.node_tree.nodes.remove(node)


def _set_in_place(meshes: Sequence[Any], model: FurnitureModel, yaw_deg: float, scale: float) -> None:
    turned = _Z_UP @ np.array(model.turned).reshape(3, 3) @ _Z_UP.T
    points = [_points(mesh) @ turned.T for mesh in meshes]
    low = np.min([p.min(0) for p in points], axis=0)
    high = np.max([p.max(0) for p in points], axis=0)
    size = np.array(model.size_cm) / 100 * scale
    stretch = size / np.maximum(high - low, 1e-9)
    foot = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    a = math.radians(yaw_deg)
    yaw = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    linear = yaw @ np.diag(stretch) @ turned
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = linear, -(yaw @ (stretch * foot))
    matrix = blender_matrix(whole)
    for mesh in meshes:
        mesh.matrix_world = matrix @ mesh.matrix_world


def blender_matrix(rows: NDArray[np.float64]) -> Any:
    """Return a 4 x 4 array as Blender's matrix."""
    from mathutils import Matrix  # comes with bpy

    return Matrix([[float(v) for v in row] for row in rows])


def _points(mesh: Any) -> NDArray[np.float64]:
    flat = np.empty(len(mesh.data.vertices) * 3, np.float32)
    mesh.data.vertices.foreach_get("co", flat)
    world = np.array(mesh.matrix_world, np.float64)
    out: NDArray[np.float64] = flat.reshape(-1, 3).astype(np.float64) @ world[:3, :3].T + world[:3, 3]
    return out


def move(meshes: Sequence[Any], x: float, y: float) -> None:
    """Shift meshes on the ground."""
    shift = np.eye(4)
    shift[:2, 3] = x, y
    for mesh in meshes:
        mesh.matrix_world = blender_matrix(shift) @ mesh.matrix_world


def mirror_in_ground(meshes: Sequence[Any]) -> None:
    """Turn meshes into their mirror images below z = 0."""
    for mesh in meshes:
        mesh.matrix_world = blender_matrix(np.diag([1.0, 1.0, -1.0, 1.0])) @ mesh.matrix_world


def add_camera(scene: Any, *, target: Vector, distance: float, elevation_deg: float, fov_deg: float) -> Any:
    """Look at `target` from the front (-y), `elevation_deg` above it; `fov_deg` is vertical."""
    bpy = blender()
    camera = bpy.data.cameras.new("camera")
    camera.sensor_fit, camera.angle = "VERTICAL", math.radians(fov_deg)
    camera.clip_end = 1e4
    placed = bpy.data.objects.new("camera", camera)
    scene.collection.objects.link(placed)
    e = math.radians(elevation_deg)
    placed.location = (target[0], target[1] - distance * math.cos(e), target[2] + distance * math.sin(e))
    placed.rotation_euler = (math.pi / 2 - e, 0.0, 0.0)
    scene.camera = placed
    return placed


def add_sun(
    scene: Any, direction: Vector, *, energy: float, width_deg: float, colour: Vector = (1, 1, 1)
) -> None:
    """Let the sun shine along `direction`; `width_deg` is its apparent diameter, which softens shadows."""
    from mathutils import Vector as BlenderVector  # comes with bpy

    bpy = blender()
    sun = bpy.data.lights.new("sun", "SUN")
    sun.energy, sun.angle, sun.color = energy, math.radians(width_deg), colour
    placed = bpy.data.objects.new("sun", sun)
    placed.rotation_euler = BlenderVector(direction).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(placed)


def add_sky(scene: Any, panorama: Path, *, strength: float, turn_deg: float = 0.0) -> None:
    """Light the scene with a panorama, turned about the vertical."""
    bpy = blender()
    world = bpy.data.worlds.new("sky")
    scene.world = world
    world.use_nodes = True
    # By default the map of where the sky is bright is as fine as the panorama: longer work than a small picture.
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 256
    nodes, links = world.node_tree.nodes, world.node_tree.links
    picture = nodes.new("ShaderNodeTexEnvironment")
    picture.image = bpy.data.images.load(str(panorama), check_existing=True)
    turn, place = nodes.new("ShaderNodeMapping"), nodes.new("ShaderNodeTexCoord")
    turn.inputs["Rotation"].default_value = (0.0, 0.0, math.radians(turn_deg))
    links.new(place.outputs["Generated"], turn.inputs["Vector"])
    links.new(turn.outputs["Vector"], picture.inputs["Vector"])
    links.new(picture.outputs["Color"], nodes["Background"].inputs["Color"])
    nodes["Background"].inputs["Strength"].default_value = strength


def sky_path(name: str) -> Path:
    """Return the file of one of `SKIES`."""
    return (
        Path(blender().utils.resource_path("LOCAL")) / "datafiles" / "studiolights" / "world" / f"{name}.exr"
    )


def sky_light(name: str) -> tuple[float, float]:
    """Return the mean brightness of the upper half of one of `SKIES`, and the azimuth (degrees) of its brightest part.

    The azimuth is that of the unturned panorama, in the plane of x and y, from x towards y.
    """
    bpy = blender()
    picture = bpy.data.images.load(str(sky_path(name)), check_existing=True)
    width, height = picture.size
    flat = np.empty(width * height * 4, np.float32)
    picture.pixels.foreach_get(flat)
    upper = flat.reshape(height, width, 4)[height // 2 :, :, :3].mean(2).astype(np.float64)
    area = np.cos((np.arange(len(upper)) + 0.5) / len(upper) * math.pi / 2)[:, None]
    mean = float((upper * area).sum() / (area.sum() * width))
    bright = np.where(upper >= np.quantile(upper, 0.995), upper, 0.0) * area
    # Cycles reads an equirectangular picture from right to left: column u is the azimuth (1/2 - u) turns.
    angles = (0.5 - (np.arange(width) + 0.5) / width) * 2 * math.pi
    columns = bright.sum(0)
    azimuth = math.atan2(float((columns * np.sin(angles)).sum()), float((columns * np.cos(angles)).sum()))
    return mean, math.degrees(azimuth)


def add_plane(scene: Any, name: str, points: Sequence[Vector], material: Any) -> Any:
    """Add a flat quadrilateral; object coordinates of its texture are the scene's, in metres."""
    bpy = blender()
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(list(points), [], [(0, 1, 2, 3)])
    mesh.materials.append(material)
    placed = bpy.data.objects.new(name, mesh)
    scene.collection.objects.link(placed)
    return placed


def plain_material(colour: Vector, *, roughness: float = 0.9, specular: float = 0.0) -> Any:
    """Return a material of one colour (linear light)."""
    material = blender().data.materials.new("plain")
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Specular IOR Level"].default_value = specular
    return material


@contextmanager
def hidden_from_camera(objects: Sequence[Any]) -> Iterator[None]:
    """Within, the camera does not see the objects; their light, shadows and mirror images stay."""
    for thing in objects:
        thing.visible_camera = False
    try:
        yield
    finally:
        for thing in objects:
            thing.visible_camera = True


@contextmanager
def taken_away(objects: Sequence[Any]) -> Iterator[None]:
    """Within, the objects are not there."""
    for thing in objects:
        thing.hide_render = True
    try:
        yield
    finally:
        for thing in objects:
            thing.hide_render = False


@contextmanager
def without_mirror_image(objects: Sequence[Any]) -> Iterator[None]:
    """Within, the objects are not seen in glossy things."""
    for thing in objects:
        thing.visible_glossy = False
    try:
        yield
    finally:
        for thing in objects:
            thing.visible_glossy = True


def render_picture(scene: Any, *, transparent: bool) -> NDArray[np.uint8]:
    """Return what the camera sees, (height, width, 4) straight alpha; opaque unless `transparent`."""
    scene.render.film_transparent = transparent
    with tempfile.TemporaryDirectory() as name:
        scene.render.filepath = str(Path(name) / "picture.png")
        blender().ops.render.render(write_still=True)
        with Image.open(scene.render.filepath) as picture:
            return np.array(picture.convert("RGBA"), np.uint8)
