"""How the parser that bases carry is made, on a few snapshots and steps."""

from dataclasses import replace

import torch

from base_models.architectures import PARSER_WIDTH
from base_models.photo_parser import PhotoParser
from base_models.scan import init_weights
from eval.face_parsing import load_face_parser
from fewshot.data.packs import load_pack
from fewshot.samples import snapshot_folder
from fewshot.training.photo_parser import Settings, overlap, train

SETTINGS = Settings(steps=80, batch=8)


def test_a_few_steps_come_nearer_to_the_teacher_and_give_the_same_weights_again() -> None:
    photos = torch.from_numpy(load_pack(snapshot_folder(), 160, limit=18).pixels)
    pools, held = [photos[:6], photos[6:12], photos[:6]], photos[12:]
    teacher = load_face_parser()
    torch.manual_seed(SETTINGS.seed)
    fresh = PhotoParser(PARSER_WIDTH)
    init_weights(fresh, 0.05)
    untaught = overlap(fresh, teacher, held)
    taught = overlap(train(SETTINGS, pools, held), teacher, held)
    assert sum(taught.values()) > 1.5 * sum(untaught.values())
    assert taught["skin"] > 0.5
    short = replace(SETTINGS, steps=2)
    first, again = (train(short, pools, held).state_dict() for _ in range(2))
    assert all(torch.equal(weights, again[name]) for name, weights in first.items())
