"""The floor: a bare ASGI app under uvicorn that predicts with one LightGBM model, features in memory."""

import json
import os
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np


def load(folder: Path) -> tuple[lightgbm.Booster, dict[str, Any]]:
    """A booster, and by customer one row of its input."""
    booster = lightgbm.Booster(model_file=folder / "model.txt")
    table = np.load(folder / "table.npz")
    return booster, {
        i: row.reshape(1, -1) for i, row in zip(table["ids"].tolist(), table["matrix"], strict=True)
    }


BOOSTER, ROWS = load(Path(os.environ["LIVE_FLOOR"]))


async def app(scope: Any, receive: Any, send: Any) -> None:
    """POST {"customer_id": ...} -> {"probability": ...}; GET answers nothing, to tell that it is there."""
    body = b""
    if scope["method"] == "POST":
        asked = json.loads((await receive())["body"])
        answer = BOOSTER.predict(ROWS[asked["customer_id"]], num_threads=1)
        body = json.dumps({"customer_id": asked["customer_id"], "probability": float(answer[0])}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
