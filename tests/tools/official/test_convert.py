"""contract.md 6.2: convert. What units are called, what they are worth, and what is refused."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from moonbase.tools.formula import tool_list
from moonbase.tools.official.convert import answer, convert_formula
from moonbase.tools.official.rates import RateTable
from moonbase.tools.official.units import Units
from moonbase.tools.tool import ToolError
from tests.tools.official.asking import error_of, output_of

TOOL = convert_formula()


@pytest.fixture(scope="module")
def units() -> Units:
    return Units()


def result(units: Units, value: float, source: str, target: str) -> str:
    text = answer(units, RateTable(), {"value": value, "from_unit": source, "to_unit": target})
    return text.split(" = ")[1]


def refusal(units: Units, value: float, source: str, target: str) -> str:
    with pytest.raises(ToolError) as caught:
        result(units, value, source, target)
    return str(caught.value)


async def test_the_documented_sample() -> None:
    assert await output_of(TOOL, {"value": 72, "from_unit": "°F", "to_unit": "°C"}) == "72.0 °F = 22.22 °C"


def test_the_definition_is_small() -> None:
    assert len(msgspec.json.encode(tool_list(TOOL).tools[0])) < 500


def test_pint_loads_with_the_first_call_and_not_before() -> None:
    code = (
        "import sys; from moonbase.tools.official.convert import convert_formula; convert_formula();"
        "print('pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("value", "source", "target", "text"),
    [
        # temperature
        (72, "fahrenheit", "celsius", "22.22 celsius"),
        (72, "F", "C", "22.22 C"),
        (25, "degrees Celsius", "degrees Fahrenheit", "77.0 degrees Fahrenheit"),
        (0, "C", "K", "273.15 K"),
        (300, "kelvin", "℃", "26.85 ℃"),
        (-40, "deg C", "deg F", "-40.0 deg F"),
        (25, "摄氏度", "华氏度", "77.0 华氏度"),
        # length
        (1, "mile", "km", "1.609 km"),
        (5, "ft", "m", "1.524 m"),
        (6, "'", "cm", "182.88 cm"),
        (12, "inches", "mm", "304.8 mm"),
        (5, "kms", "Meters", "5000.0 Meters"),
        (1, "nautical miles", "km", "1.852 km"),
        (2, "light-years", "km", "18921460945161.6 km"),
        (2, "light years", "km", "18921460945161.6 km"),
        (10, "里", "公里", "5.0 公里"),
        (1, "Å", "nm", "0.1 nm"),
        # mass
        (50, "pounds", "kg", "22.68 kg"),
        (12, "KG", "LBS", "26.46 LBS"),
        (8, "oz", "g", "226.8 g"),
        (1, "metric ton", "t", "1.0 t"),
        (11, "stone", "kg", "69.85 kg"),
        (10, "斤", "kg", "5.0 kg"),
        (250, "mcg", "mg", "0.25 mg"),
        # volume
        (8, "oz", "ml", "236.59 ml"),
        (8, "fl. oz.", "mL", "236.59 mL"),
        (2, "cups", "ml", "473.18 ml"),
        (3, "tbsp", "tsp", "9.0 tsp"),
        (1, "US gallon", "L", "3.785 L"),
        (1, "imperial gallon", "litres", "4.546 litres"),
        (1, "cubic meter", "cu ft", "35.31 cu ft"),
        (1, "m³", "liters", "1000.0 liters"),
        # area
        (100, "sq ft", "m²", "9.29 m²"),
        (100, "square feet", "square meters", "9.29 square meters"),
        (1, "acre", "hectares", "0.4047 hectares"),
        (1, "km^2", "mi**2", "0.3861 mi**2"),
        (3, "亩", "平方米", "2000.0 平方米"),
        # speed
        (100, "km/h", "mph", "62.14 mph"),
        (100, "kmh", "miles per hour", "62.14 miles per hour"),
        (10, "m/s", "knots", "19.44 knots"),
        (10, "m s^-1", "kph", "36.0 kph"),
        # time
        (3, "weeks", "hours", "504.0 hours"),
        (90, "mins", "hrs", "1.5 hrs"),
        (1, "Decade", "years", "10.0 years"),
        # pressure
        (32, "psi", "bar", "2.206 bar"),
        (32, "lb/in^2", "bar", "2.206 bar"),
        (1, "pound per square inch", "kPa", "6.895 kPa"),
        (1, "atm", "mmHg", "760.0 mmHg"),
        (1, "MPA", "psi", "145.04 psi"),
        (1013.25, "mb", "hPa", "1013.25 hPa"),
        # energy and power
        (1, "kWh", "MJ", "3.6 MJ"),
        (500, "kcal", "kJ", "2092.0 kJ"),
        (1, "kilowatt hours", "BTU", "3412.14 BTU"),
        (1, "hp", "kW", "0.7457 kW"),
        (100, "PS", "kw", "73.55 kw"),
        # data
        (1, "GB", "MB", "1000.0 MB"),
        (1, "GiB", "MiB", "1024.0 MiB"),
        (1, "gigabyte", "bits", "8000000000.0 bits"),
        (100, "Mbps", "MB/s", "12.5 MB/s"),
        (1, "KB", "bytes", "1000.0 bytes"),
        # angle and frequency
        (180, "degrees", "rad", "3.142 rad"),
        (1, "turn", "°", "360.0 °"),
        (2.4, "GHz", "MHz", "2400.0 MHz"),
        (60, "rpm", "Hz", "1.0 Hz"),
        (30, "rev/min", "rpm", "30.0 rpm"),
        (100, "Nm", "ft lb", "73.76 ft lb"),
        (1, "lb-ft", "Nm", "1.356 Nm"),
        (3, "kNm", "N m", "3000.0 N m"),
        (10, "mil", "mm", "0.254 mm"),
        (1, "cfm", "m3/h", "1.699 m3/h"),
        (1, "gpm", "L/min", "3.785 L/min"),
        (50, "Hz", "rpm", "3000.0 rpm"),
        # force, torque, acceleration, density, flow, electricity, fuel
        (1000, "lbf", "N", "4448.22 N"),
        (1, "kgf", "newtons", "9.807 newtons"),
        (1, "N*m", "ft lb", "0.7376 ft lb"),
        (9.8, "m s⁻²", "m/s²", "9.8 m/s²"),
        (9.8, "meters per second squared", "ft/s^2", "32.15 ft/s^2"),
        (2.5, "g/cm³", "kg/m^3", "2500.0 kg/m^3"),
        (10, "L/min", "gal/h", "158.5 gal/h"),
        (2, "mAh", "C", "7.2 C"),
        (30, "mpg", "L/100km", "7.84 L/100km"),
        (7, "L/100 km", "mpg", "33.6 mpg"),
        (1, "kJ/(kg K)", "BTU/(lb °F)", "0.2388 BTU/(lb °F)"),
        (5, "%", "ppm", "50000.0 ppm"),
        # digits
        (0, "km", "m", "0.0 m"),
        (1e-5, "km", "mile", "6.214e-06 mile"),
        (1, "  km ", "m", "1000.0 m"),
    ],
)
def test_what_people_write(units: Units, value: float, source: str, target: str, text: str) -> None:
    assert result(units, value, source, target) == text


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("km", "kg", "'km' measures length and 'kg' measures mass"),
        ("byte", "rad", "measures data and 'rad' measures angle"),
        ("lumen", "lux", "must measure the same"),
        ("furlnog", "m", "from_unit has the unknown unit 'furlnog'; did you mean furlong?"),
        ("km", "celsuis", "to_unit has the unknown unit 'celsuis'; did you mean celsius"),
        ("m", "m/zzzzz", "unknown unit 'zzzzz' in 'm/zzzzz'; write a unit such as km"),
        ("", "m", "from_unit is empty"),
        ("m", " ", "to_unit is empty"),
        ("...", "m", "from_unit '...' is not a whole unit"),
        ("m" * 1_000, "m", "has 1000 characters; at most 80"),
        ("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 20, "m", "is too long"),
        ("m**9999999", "m", "has an exponent that cannot be"),
        ("m^99", "m", "has an exponent that cannot be"),
        ("m9999999999", "m", "has an exponent that cannot be"),
        ("2**99999999", "m", "has an exponent that cannot be"),
        ("m**2**9**9**9", "m", "has an exponent that cannot be"),
        ("m^0", "m", "has an exponent that cannot be"),
        ("m^-", "m", "holds '^', which is no part of a unit"),
        ("1e999999 m", "m", "has an exponent that cannot be"),
        ("9" * 40 + " m", "m", "has the number '999999999999'"),
        ("0 m", "m", "has the number '0'"),
        ("((((((((m", "m", "is not a whole unit"),
        ("m)", "m", "closes a parenthesis that it never opened"),
        ("/s", "mph", "measures frequency and 'mph' measures speed"),
        ("m//s", "mph", "two division signs"),
        ("*m", "m", "begins with a multiplication sign"),
        ("square", "m", "is not a whole unit"),
        ("m*m*m*m*m*m*m*m*m", "m", "has too many parts"),
        ("Qm^9 Qm^9", "m", "is too large or too small"),
        ("__import__('os').system('x')", "m", "unknown unit"),
        ("m if 1 else s", "m", "has the number '1' at a place where none belongs"),
        ("km;s", "m", "holds ';'"),
        ("a\0b", "m", "holds '\\x00'"),
        ("\ud800", "m", "holds '\\ud800'"),
        ("🐈", "m", "holds '🐈'"),
        ("k°C", "K", "unknown unit 'k°C'"),
        ("dB", "W", "unknown unit 'dB'"),
        ("dBm", "W", "unknown unit 'dBm'"),
    ],
)
def test_units_that_cannot_be(units: Units, source: str, target: str, words: str) -> None:
    started = time.perf_counter()
    assert words in refusal(units, 1, source, target)
    assert time.perf_counter() - started < 5  # nothing that a caller writes is evaluated


@pytest.mark.parametrize(
    ("value", "source", "target", "words"),
    [
        (math.nan, "m", "km", "value is too large for a number"),
        (math.inf, "m", "km", "value is too large for a number"),
        (10**400, "m", "km", "value is too large for a number"),
        (1e300, "Qm", "qm", "the result is too large for a number"),
        (1e-300, "qm", "Qm", "the result is too small for a number"),
        (-300, "°C", "°F", "below absolute zero"),
        (-1, "K", "C", "below absolute zero"),
        (0, "mpg", "L/100km", "value is 0"),
    ],
)
def test_values_that_cannot_be(units: Units, value: float, source: str, target: str, words: str) -> None:
    assert words in refusal(units, value, source, target)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"value": "72", "from_unit": "m", "to_unit": "km"}, "arguments.value: '72' is not of type 'number'"),
        ({"value": None, "from_unit": "m", "to_unit": "km"}, "arguments.value: None is not of type 'number'"),
        ({"from_unit": "m", "to_unit": "km"}, "'value' is a required property"),
        ({"value": 1, "from_unit": "m"}, "'to_unit' is a required property"),
        ({"value": 1, "from_unit": "", "to_unit": "m"}, "from_unit is empty"),
    ],
)
async def test_arguments_that_cannot_be(arguments: dict[str, Any], words: str) -> None:
    assert words in await error_of(TOOL, arguments)


def test_case_never_changes_a_prefix_into_another(units: Units) -> None:
    assert result(units, 1, "mW", "W") == "0.001 W"
    assert result(units, 1, "MW", "W") == "1000000.0 W"
    assert result(units, 1, "Ym", "m") == "1e+24 m"
    assert result(units, 1, "ym", "m") == "1e-24 m"


SAME = [
    ["m", "km", "mile", "ft", "nmi", "ly"],
    ["kg", "lb", "oz", "stone", "t"],
    ["m^2", "acre", "sq ft", "hectare"],
    ["L", "gallon", "cup", "m^3", "fl oz"],
    ["J", "kWh", "BTU", "eV", "kcal"],
    ["Pa", "psi", "atm", "mmHg"],
    ["°C", "°F", "K", "°R"],
    ["byte", "GiB", "Mbit"],
    ["Hz", "rpm", "MHz"],
]


@settings(deadline=None)  # the first call loads pint
@given(st.data())
def test_there_and_back(data: st.DataObject) -> None:
    family = data.draw(st.sampled_from(SAME))
    source, target = data.draw(st.sampled_from(family)), data.draw(st.sampled_from(family))
    value = data.draw(st.floats(-200 if family[0] == "°C" else -1e9, 1e9))
    assume(not (family[0] == "°C" and source in ("K", "°R") and value < 0))
    assume(not value or abs(value) > 1e-200)  # a result that is too small for a number is refused
    there = SHARED.convert(value, source, target)
    assert SHARED.convert(there, target, source) == pytest.approx(value, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(st.text(max_size=90), st.text(max_size=20))
def test_whatever_is_written_is_answered_or_refused(source: str, target: str) -> None:
    for pair in ((source, target), (source, "km"), ("km/" + target, "m/s")):
        try:
            assert isinstance(SHARED.convert(1.0, *pair), float)
        except ToolError as error:
            assert "unit" in str(error)


UNIT_PARTS = st.sampled_from(
    ["k", "m", "kg", "s", "°C", "/", "*", "^", "2", "-1", "(", ")", " ", "per", "square", "10"]
)


@settings(deadline=None)
@given(st.lists(UNIT_PARTS, max_size=14).map("".join))
def test_nearly_units_are_answered_or_refused(source: str) -> None:
    try:
        SHARED.convert(1.0, source, source)
    except ToolError as error:
        assert "unit" in str(error)


SHARED = Units()
