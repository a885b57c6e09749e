"""What calibrations may move: all parameters but thresholds and initial values, which are these."""

from sites import TABLE

HELD = {
    "radiation": ["minimum_potential_evapotranspiration"],
    "water": [
        "porosity_slope", "porosity_intercept", "rooting_depth_minimum", "snowfall_temperature", "snowmelt_temperature",
        "melt_elevation", "minimum_thawed_depth",
    ],
    "soil_thermal": ["freezing_interval"],
    "phenology": ["leaf_initial", "leaf_maximum_initial"],
    "nitrogen": ["uptake_maximum_cut"],
    "permafrost": ["profile_reference_depth", "profile_maximum_depth", "minimum_active_layer"],
    "abrupt_thaw": ["memory"],
    "initial": [
        f"{pool}_{word}"
        for pool in (
            "vegetation_carbon", "structural_nitrogen", "labile_nitrogen", "soil_carbon", "soil_organic_nitrogen",
            "available_nitrogen",
        )
        for word in ("slope", "intercept")
    ],
}  # fmt: skip


def test_thresholds_and_initial_values_are_not_calibrated():
    held = [f"{branch}.{name}" for branch, names in HELD.items() for name in names]
    assert [name for name, entry in TABLE.entries.items() if not entry.trainable] == held
