"""What a network's output says about the image and the noise. alpha**2 + sigma**2 = 1, sample = alpha x0 + sigma eps.

Salimans and Ho (2022), appendix D, has the three parametrizations.
"""

from __future__ import annotations

from imagegen.engines.schedulers.base import Array
from imagegen.engines.schedulers.noise_schedule import SMALLEST_ALPHA


def predicted_original(prediction_type: str, model_output: Array, sample: Array, alpha: float, sigma: float) -> Array:
    """Return x0, the predicted noiseless latents."""
    if prediction_type == "epsilon":
        return (sample - sigma * model_output) / (alpha or SMALLEST_ALPHA**0.5)
    if prediction_type == "v_prediction":
        return alpha * sample - sigma * model_output
    return model_output


def predicted_noise(prediction_type: str, model_output: Array, sample: Array, alpha: float, sigma: float) -> Array:
    """Return eps, the predicted noise."""
    if prediction_type == "epsilon":
        return model_output
    if prediction_type == "v_prediction":
        return alpha * model_output + sigma * sample
    return (sample - alpha * model_output) / sigma
