"""The layer model stays in step with any tree, under Qt's own model checker."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import QAbstractItemModel, QMimeData, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication

from psdstudio.core.layers import GroupLayer, Layer, LayerId, LayerProps, PixelLayer
from psdstudio.ui.models.layer_tree import LayerTreeModel, RowPhase, RowState

Shape = tuple[str, "tuple[Shape, ...]"]


def random_tree(rng: random.Random, ids: list[str], *, depth: int = 0) -> tuple[Layer, ...]:
    """Return layers made of a random part of `ids`, which is used up."""
    layers: list[Layer] = []
    while ids and rng.random() < 0.85:
        layer_id = LayerId(ids.pop())
        props = LayerProps(name=f"{layer_id}{rng.randrange(3)}")
        if depth < 3 and rng.random() < 0.4:
            children = random_tree(rng, ids, depth=depth + 1)
            layers.append(GroupLayer(id=layer_id, props=props, children=children))
        else:
            layers.append(PixelLayer(id=layer_id, props=props))
    return tuple(layers)


def shape(layers: tuple[Layer, ...]) -> tuple[Shape, ...]:
    """Return names as rows show them: top first."""
    return tuple(
        (layer.props.name, shape(layer.children) if isinstance(layer, GroupLayer) else ())
        for layer in reversed(layers)
    )


def shown(model: LayerTreeModel, parent: QModelIndex = QModelIndex()) -> tuple[Shape, ...]:
    """Return names as the model answers them."""
    rows = (model.index(row, 0, parent) for row in range(model.rowCount(parent)))
    return tuple((str(index.data()), shown(model, index)) for index in rows)


@pytest.mark.parametrize("seed", range(12))
def test_walks_from_tree_to_tree(qapp: QApplication, seed: int) -> None:
    rng = random.Random(seed)
    model = LayerTreeModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    for _ in range(35):
        ids = [str(n) for n in range(12)]
        rng.shuffle(ids)
        layers = random_tree(rng, ids)
        model.show(layers)
        assert shown(model) == shape(layers)
    assert tester.model() is model


def test_a_moved_layer_keeps_the_rows_of_all_others(qapp: QApplication) -> None:
    model = LayerTreeModel()
    layers = tuple(PixelLayer(id=LayerId(str(n)), props=LayerProps(name=str(n))) for n in range(6))
    model.show(layers)
    held = [QPersistentModelIndex(model.index_of(LayerId(str(n)))) for n in range(1, 6)]
    model.show((*layers[1:4], layers[0], *layers[4:]))
    assert all(index.isValid() for index in held)
    assert [index.data() for index in held] == ["1", "2", "3", "4", "5"]


def test_a_drop_says_row_and_group_and_moves_nothing_itself(qapp: QApplication) -> None:
    model = LayerTreeModel()
    inner = PixelLayer(id=LayerId("inner"), props=LayerProps(name="inner"))
    group = GroupLayer(id=LayerId("group"), props=LayerProps(name="group"), children=(inner,))
    layer = PixelLayer(id=LayerId("layer"), props=LayerProps(name="layer"))
    model.show((group, layer))
    asked: list[tuple[object, ...]] = []
    model.move_asked.connect(lambda *args: asked.append(args))
    data = model.mimeData([model.index_of(LayerId("layer"))])
    assert isinstance(data, QMimeData)
    moved = model.dropMimeData(data, Qt.DropAction.MoveAction, 1, 0, model.index_of(LayerId("group")))
    assert not moved
    assert asked == [(["layer"], "group", 1)]
    assert isinstance(model, QAbstractItemModel)


def test_a_pending_row_cannot_be_edited(qapp: QApplication) -> None:
    model = LayerTreeModel()
    layer = PixelLayer(id=LayerId("new"), props=LayerProps(name="fox"))
    model.show((layer,))
    index = model.index_of(layer.id)
    assert model.flags(index) & Qt.ItemFlag.ItemIsEditable
    model.set_states({layer.id: RowState(phase=RowPhase.RUNNING, is_pending=True)})
    assert not model.flags(index) & Qt.ItemFlag.ItemIsEditable
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "fox, layer 1 of 1, visible, painting"
