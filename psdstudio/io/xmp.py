"""XMP of an export: how the picture was made, layer by layer, and the machine-readable note that it was.

Source: XMP specification part 1 (RDF/XML form); IPTC Photo Metadata 2023 (`DigitalSourceType`).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from psdstudio import __version__
from psdstudio.core.document import Document
from psdstudio.core.layers import GroupLayer, Layer, PixelLayer
from psdstudio.core.parts import EFFECTS
from psdstudio.io.psd_outline import psd_layer_ids

NAMESPACE = "urn:psdstudio:xmp:1.0#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MAX_PACKET_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOrigin:
    """What a file says about the origin of one layer: its PSD layer id, role and words ("" when left out)."""

    psd_id: int
    role: str
    words: str


def xmp_packet(
    document: Document, *, strip_prompts: bool = False, credits_lines: tuple[str, ...] = ()
) -> bytes:
    """Return the XMP packet of an exported document, UTF-8.

    Args:
        document: What is exported.
        strip_prompts: Leave out the sentence and every layer's words; engine, weights and seeds stay.
        credits_lines: Credits that the licences of used material ask for, one sentence each.
    """
    fields = [f"<xmp:CreatorTool>PSDStudio {escape(__version__)}</xmp:CreatorTool>"]
    source = digital_source_type(document)
    if source:
        fields.append(f"<Iptc4xmpExt:DigitalSourceType>{_SOURCE}{source}</Iptc4xmpExt:DigitalSourceType>")
    if document.scene.prompt and not strip_prompts:
        fields.append(
            f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{_text(document.scene.prompt)}</rdf:li>'
            "</rdf:Alt></dc:description>"
        )
    if credits_lines:
        fields.append(f"<photoshop:Credit>{_text('; '.join(credits_lines))}</photoshop:Credit>")
        items = "".join(f"<rdf:li>{_text(line)}</rdf:li>" for line in credits_lines)
        fields.append(f"<psdstudio:credits><rdf:Bag>{items}</rdf:Bag></psdstudio:credits>")
    ids = psd_layer_ids(document)
    layers = "".join(
        _layer_item(layer, ids[layer.id], strip_prompts) for layer in document.walk() if layer.part
    )
    if layers:
        fields.append(f"<psdstudio:sceneSeed>{document.scene.seed}</psdstudio:sceneSeed>")
        fields.append(f"<psdstudio:layers><rdf:Seq>{layers}</rdf:Seq></psdstudio:layers>")
    body = "\n  ".join(fields)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">\n'
        ' <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f' xmlns:psdstudio="{NAMESPACE}">\n  {body}\n </rdf:Description></rdf:RDF></x:xmpmeta>\n'
        # White space lets a program change a value in place.
        + " " * 2047
        + '\n<?xpacket end="w"?>'
    ).encode()


def digital_source_type(document: Document) -> str:
    """Return IPTC's word for how the pixels came about; "" when no generated layer is in the document."""
    made = [_is_generated(layer) for layer in document.walk() if isinstance(layer, PixelLayer)]
    if not any(made):
        return ""
    return "trainedAlgorithmicMedia" if all(made) else "compositeWithTrainedAlgorithmicMedia"


def layer_origins(packet: bytes) -> dict[int, LayerOrigin]:
    """Return what our own XMP says about the layers, by PSD layer id; {} when it is absent or not ours."""
    if len(packet) > _MAX_PACKET_BYTES or NAMESPACE.encode() not in packet:
        return {}
    try:
        root = ET.fromstring(packet.decode("utf-8", "replace").strip("\0\ufeff \n"))
    except (ET.ParseError, ValueError):
        return {}
    return {origin.psd_id: origin for origin in _parsed(root)}


def _parsed(root: ET.Element) -> Iterator[LayerOrigin]:
    for item in root.iterfind(f".//{{{NAMESPACE}}}layers/{{{_RDF}}}Seq/{{{_RDF}}}li"):
        number = item.findtext(f"{{{NAMESPACE}}}id", "")
        if number.isascii() and number.isdigit():
            role = item.findtext(f"{{{NAMESPACE}}}role", "")
            yield LayerOrigin(
                psd_id=int(number[:9]), role=role, words=item.findtext(f"{{{NAMESPACE}}}words", "")
            )


def _is_generated(layer: Layer) -> bool:
    part = layer.part
    return part is not None and (part.recipe is not None or part.role in EFFECTS)


def _layer_item(layer: Layer, number: int, strip_prompts: bool) -> str:
    part = layer.part
    if part is None:
        return ""
    values: dict[str, object] = {"id": number, "role": part.role.value}
    recipe = part.recipe
    words = part.words or (recipe.words if recipe else "")
    if words and not strip_prompts:
        values["words"] = words
    if recipe is not None and not isinstance(layer, GroupLayer):
        values |= {"engine": recipe.engine, "weights": recipe.weights_sha256, "seed": recipe.seed}
        values |= {"steps": recipe.steps, "guidance": recipe.guidance, "run": recipe.run_id}
        if recipe.words and recipe.words != words and not strip_prompts:
            values["engineWords"] = recipe.words
        if recipe.library_item is not None:
            values["libraryItem"] = recipe.library_item
    inner = "".join(
        f"<psdstudio:{key}>{_text(str(value))}</psdstudio:{key}>" for key, value in values.items()
    )
    return f'<rdf:li rdf:parseType="Resource">{inner}</rdf:li>'


def _text(text: str) -> str:
    """Escape for XML 1.0, which has no place for control characters, lone surrogates and two non-characters."""
    kept = (sign for sign in text if sign in "\t\n\r" or (ord(sign) >= 32 and not _is_forbidden(ord(sign))))
    return escape("".join(kept))


def _is_forbidden(code: int) -> bool:
    return 0xD800 <= code <= 0xDFFF or code in {0xFFFE, 0xFFFF}
