"""Closed lists of words that captions count, colour and people their scenes with: numbers, colours, animals."""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_Row = tuple[str, ...]
_Table = tuple[_Row, ...]
"""Rows of the forms of one word each. Forms in one column can stand for each other: same number, gender and case."""


def _rows(text: str) -> _Table:
    """Return a table written out: a row for each line or semicolon, forms parted by spaces."""
    return tuple(tuple(row.split()) for row in re.split("[;\n]", text) if row.strip())


def _inflected(stems: str, endings: str) -> _Table:
    """Return a table with a row for each of the ``stems``; an ending of ``-`` is none."""
    return tuple(tuple(stem + ending.removeprefix("-") for ending in endings.split()) for stem in stems.split())


def _invariable(words: str, table: _Table) -> _Table:
    """Return ``table`` with rows for ``words`` that have the same form in all columns."""
    return table + tuple((word,) * len(table[0]) for word in words.split())


_NUMBERS: Final[Mapping[str, Mapping[int, str]]] = MappingProxyType(
    {
        "en": {
            1: "one", 2: "two", 3: "three trio", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine",
            10: "ten", 11: "eleven", 12: "twelve dozen", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen",
            17: "seventeen", 18: "eighteen", 19: "nineteen", 20: "twenty", 30: "thirty", 40: "forty", 50: "fifty",
            60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety", 100: "hundred",
        },
        "de": {
            2: "zwei zweier zweien zweit beiden", 3: "drei dreier dreien dritt trio",
            4: "vier vierer viert", 5: "fünf", 6: "sechs", 7: "sieben", 8: "acht", 9: "neun", 10: "zehn", 11: "elf",
            12: "zwölf dutzend", 13: "dreizehn", 14: "vierzehn", 15: "fünfzehn", 16: "sechzehn", 17: "siebzehn",
            18: "achtzehn", 19: "neunzehn", 20: "zwanzig", 30: "dreißig", 40: "vierzig", 50: "fünfzig",
            60: "sechzig", 70: "siebzig", 80: "achtzig", 90: "neunzig", 100: "hundert",
        },
        "fr": {
            1: "un une", 2: "deux", 3: "trois trio", 4: "quatre", 5: "cinq", 6: "six", 7: "sept", 8: "huit", 9: "neuf",
            10: "dix", 11: "onze", 12: "douze douzaine", 13: "treize", 14: "quatorze", 15: "quinze", 16: "seize",
            20: "vingt vingts", 30: "trente", 40: "quarante", 50: "cinquante", 60: "soixante", 100: "cent cents",
        },
        "cs": {
            1: "jeden jedna jedno", 2: "dva dvě dvou dvěma dvěmi dvouma dvoumi dvoje",
            3: "tři tří třem třemi třech třema trojice trojici trio", 4: "čtyři čtyř čtyřem čtyřmi čtyřech čtyřma",
            5: "pět pěti", 6: "šest šesti", 7: "sedm sedmi", 8: "osm osmi", 9: "devět devíti",
            10: "deset deseti", 11: "jedenáct jedenácti", 12: "dvanáct dvanácti tucet", 13: "třináct třinácti",
            14: "čtrnáct čtrnácti", 15: "patnáct patnácti", 16: "šestnáct šestnácti", 17: "sedmnáct sedmnácti",
            18: "osmnáct osmnácti", 19: "devatenáct devatenácti", 20: "dvacet dvaceti", 30: "třicet třiceti",
            40: "čtyřicet čtyřiceti", 50: "padesát padesáti", 60: "šedesát šedesáti", 70: "sedmdesát sedmdesáti",
            80: "osmdesát osmdesáti", 90: "devadesát devadesáti", 100: "sto",
        },
    }
)  # fmt: skip
"""Language → number → every form that captions write it in."""

_HARD: Final = "ý á é ého ému ém ým ou ých ými"
"""The endings of a Czech adjective; the animate plural, which softens the stem, is left out."""

_TABLES: Final[Mapping[str, Mapping[str, tuple[_Table, ...]]]] = MappingProxyType(
    {
        "en": {
            "number": (_rows("two; three; four; five; six; seven; eight; nine; ten; eleven; twelve"),),
            "colour": (_rows("red; blue; green; yellow; black; white; brown; gray; grey; purple; pink; orange"),),
            "animal": (
                _rows(
                    "dog dogs; cat cats; horse horses; cow cows; bird birds; sheep sheep; goat goats; pig pigs\n"
                    "duck ducks; giraffe giraffes; zebra zebras; bear bears; monkey monkeys; rabbit rabbits; lion lions"
                ),
                _rows("puppy puppies; kitten kittens; lamb lambs; foal foals"),
            ),
        },
        "de": {
            "number": (
                _rows(
                    "zwei zweier; drei dreier; vier vierer; fünf; sechs; sieben; acht; neun; zehn; elf; zwölf"
                ),
            ),
            "colour": (
                _invariable(
                    "rosa lila beige türkis",
                    _inflected(
                        "rot blau grün gelb schwarz weiß grau braun hellblau dunkelblau hellgrün dunkelgrün "
                        "orangefarben goldfarben silberfarben",
                        "- e en er es em",
                    )
                    + _rows("orange orange orangen oranger oranges orangem"),
                ),
            ),
            "animal": (
                _rows(
                    "Hund Hundes Hunde Hunden; Vogel Vogels Vögel Vögeln; Fisch Fisches Fische Fischen\n"
                    "Fuchs Fuchses Füchse Füchsen; Wolf Wolfes Wölfe Wölfen; Frosch Frosches Frösche Fröschen\n"
                    "Esel Esels Esel Eseln; Tiger Tigers Tiger Tigern; Hirsch Hirsches Hirsche Hirschen"
                ),
                _rows("Bär Bären Bären; Hase Hasen Hasen; Affe Affen Affen; Elefant Elefanten Elefanten\n"
                      "Löwe Löwen Löwen"),
                _rows(
                    "Katze Katzen Katzen; Ziege Ziegen Ziegen; Ente Enten Enten; Giraffe Giraffen Giraffen\n"
                    "Möwe Möwen Möwen; Taube Tauben Tauben; Schildkröte Schildkröten Schildkröten\n"
                    "Schlange Schlangen Schlangen; Kuh Kühe Kühen; Gans Gänse Gänsen; Maus Mäuse Mäusen"
                ),
                _rows(
                    "Pferd Pferdes Pferde Pferden; Schaf Schafes Schafe Schafen; Schwein Schweines Schweine Schweinen\n"
                    "Zebra Zebras Zebras Zebras; Kamel Kamels Kamele Kamelen; Huhn Huhns Hühner Hühnern\n"
                    "Rind Rindes Rinder Rindern"
                ),
                _rows("Kaninchen; Kätzchen; Hündchen; Eichhörnchen; Lämmchen"),
            ),
        },
        "fr": {
            "number": (_rows("deux; trois; quatre; cinq; six; sept; huit; neuf; dix; onze; douze"),),
            "colour": (
                _invariable(
                    "orange marron",
                    _rows(
                        "noir noire noirs noires; blanc blanche blancs blanches; bleu bleue bleus bleues\n"
                        "vert verte verts vertes; gris grise gris grises; brun brune bruns brunes\n"
                        "violet violette violets violettes; rouge rouge rouges rouges; jaune jaune jaunes jaunes\n"
                        "rose rose roses roses; beige beige beiges beiges; mauve mauve mauves mauves"
                    ),
                ),
            ),
            "animal": (
                _rows(
                    "chien chiens; chat chats; cheval chevaux; mouton moutons; cochon cochons; poisson poissons\n"
                    "singe singes; lapin lapins; canard canards; taureau taureaux; tigre tigres; lion lions\n"
                    "zèbre zèbres; chameau chameaux; renard renards; loup loups; chiot chiots; chaton chatons"
                ),
                _rows("oiseau oiseaux; éléphant éléphants; ours ours; âne ânes; agneau agneaux; écureuil écureuils"),
                _rows(
                    "vache vaches; chèvre chèvres; girafe girafes; poule poules; tortue tortues; mouette mouettes\n"
                    "souris souris; jument juments; chienne chiennes; chatte chattes"
                ),
            ),
        },
        "cs": {
            # Nominative masculine and other, genitive, instrumental, dative, locative.
            "number": (
                _rows(
                    "dva dvě dvou dvěma dvěma dvou; tři tři tří třemi třem třech; "
                    "čtyři čtyři čtyř čtyřmi čtyřem čtyřech"
                ),
                _rows("pět pěti; šest šesti; sedm sedmi; osm osmi; devět devíti; deset deseti; "
                      "jedenáct jedenácti; dvanáct dvanácti"),
            ),
            "colour": (
                _inflected(
                    "červen modr zelen žlut čern bíl šed hněd růžov fialov oranžov béžov tyrkysov", _HARD
                ),
            ),
            "animal": (
                # Singular nominative, accusative, dative, instrumental; plural nominative, genitive, accusative.
                _rows(
                    "pes psa psovi psem psi psů psy; kůň koně koni koněm koně koní koně\n"
                    "býk býka býkovi býkem býci býků býky; slon slona slonovi slonem sloni slonů slony\n"
                    "vlk vlka vlkovi vlkem vlci vlků vlky; králík králíka králíkovi králíkem králíci králíků králíky\n"
                    "pták ptáka ptákovi ptákem ptáci ptáků ptáky; tygr tygra tygrovi tygrem tygři tygrů tygry"
                ),
                # Singular nominative, accusative, genitive, instrumental; plural genitive, instrumental.
                _rows(
                    "kočka kočku kočky kočkou koček kočkami; kráva krávu krávy krávou krav kravami\n"
                    "koza kozu kozy kozou koz kozami; žirafa žirafu žirafy žirafou žiraf žirafami\n"
                    "kachna kachnu kachny kachnou kachen kachnami; želva želvu želvy želvou želv želvami\n"
                    "ryba rybu ryby rybou ryb rybami; zebra zebru zebry zebrou zeber zebrami"
                ),
                _rows(
                    "ovce ovci ovcí ovcemi; opice opici opicí opicemi; slepice slepici slepicí slepicemi\n"
                    "veverka veverku veverkou veverkami"
                ),
                _rows(
                    "štěně štěněte štěnětem štěňata štěňat štěňaty; kotě kotěte kotětem koťata koťat koťaty\n"
                    "jehně jehněte jehnětem jehňata jehňat jehňaty; kuře kuřete kuřetem kuřata kuřat kuřaty"
                ),
            ),
        },
        "zh": {
            "colour": (
                _rows("红色; 蓝色; 绿色; 黄色; 黑色; 白色; 灰色; 棕色; 紫色; 橙色; 粉色; 粉红色; 褐色; 橘色"),
                _inflected("红 蓝 绿 黄 黑 白 灰", "衣 上衣 裤 裙 帽 鞋 衫 衬衫 T恤 毛衣 夹克 狗 猫 马 牛 鸟 伞 车 球"),
            ),
            "animal": (
                _rows("狗; 猫; 鸟; 羊; 兔子; 猴子; 鸭子; 松鼠"),
                _rows("狗狗; 猫咪"),
                _rows("马; 驴; 骆驼; 骡子"),
                _rows("牛; 大象; 猪; 狮子; 熊"),
                _rows("鱼; 蛇"),
            ),
        },
        "ja": {
            "colour": (
                _rows("赤い; 青い; 白い; 黒い; 黄色い; 茶色い"),
                _rows("赤色; 青色; 白色; 黒色; 黄色; 緑色; 茶色; 灰色; 紫色; 水色; ピンク色; オレンジ色"),
            ),
            "animal": (_rows("犬; 猫; 牛; 馬; 羊; 豚; 象; 熊; 猿; キリン; シマウマ"), _rows("鳥; 鴨; 鶏")),
        },
    }
)  # fmt: skip
"""Language → kind → tables of the words that can be exchanged for each other."""

_TRAPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": r"(?:two|three|four|six)[- ](?:wheel\w*|way|tone)|high[- ]five|four by four|twenty[- ]something\w*",
        "de": r"(?<!die )(?<!diese )beiden|allen vieren|acht geben|(?:in|außer) acht",
        "fr": r"tou(?:te)?s(?: les)? deux|(?:les|des|aux|ses|leurs|à) deux (?:côtés|extrémités|mains|bouts|bords)|"
        r"à quatre pattes|pour cent|(?<!numéro )neuf(?!\s+\w+[sx]\b)|(?:deux|trois|quatre) roues|en deux|deux[- ]roues",
        "cs": r"po čtyřech|na všech čtyřech|(?:dává|dát)(?: si)? dvacet",
        "zh": "热狗|熊猫|猫头鹰|[斑河海木罗天]马|马[路拉戏桶上甲尾克德]|牛[仔奶排肉]|[蜗斗]牛|羊[毛绒皮肉]|鸵鸟|鸟巢"
        "|[钓捕鲸鳄金章]鱼|鱼[竿网线钩缸饵]|鸡蛋|[两兩][旁侧側边邊岸端]|秋千|鞦韆|[四方八]面|三三[两兩]{2}|[五六七]颜六色|五彩",
        "ja": "四つん這い|[河海]馬|馬[車鹿]|牛[乳肉]|羊[毛肉]|豚肉|熊手|[白焼]鳥|鳥居|一つ",
    }
)
"""Language → what looks like one of the words, and is part of another, of a phrase, or no number in every language.

A caption has *the two dogs* where a German one has *die beiden*, but *both hands* where that has *beide Hände*.
"""

_COMPOUNDS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "de": re.compile(r"(zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf)(?!räd)\w{3,}ig(?:e[rnsm]?)?"),
        "cs": re.compile(r"(dvou|tří|čtyř|pěti|šesti|sedmi|osmi|devíti|deseti)(?:člen|let|patr|díl|noh|míst|prou)\w+"),
    }
)
"""Language → adjectives that begin with a number: vierköpfig, a family of four."""

_CLASSIFIERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "zh": "个個名位只隻条條匹头頭辆輛张張件把支枝根座棵朵本台架艘间間块塊片杯瓶碗盘盤份双雙对對副顶頂幅扇袋盒串群"
        "组組队隊排堆人男女岁歲口道束颗顆粒罐包层層种種号號英打",
        "ja": "人匹頭羽個本枚台つ冊名歳才艘軒足杯",
    }
)
"""Language → what follows a number that counts something; others are of words such as 三明治 and 十字路口."""

_DIGITS: Final = MappingProxyType(
    {character: value for value, character in enumerate("〇一二三四五六七八九")} | {"两": 2, "兩": 2, "俩": 2}
)
_UNITS: Final = MappingProxyType({"十": 10, "百": 100, "千": 1000, "万": 10_000, "萬": 10_000})

NUMBER_LANGUAGES: Final = frozenset({*_NUMBERS, *_CLASSIFIERS})
"""The languages whose written numbers are known, by their primary subtag."""


@dataclass(frozen=True)
class ListedWord:
    """A word of a text that is in the lists, and what could stand there instead."""

    start: int
    end: int
    kind: str
    """``number``, ``colour`` or ``animal``."""
    others: tuple[str, ...]
    """Words of the same kind, gender, number and case, in the letter case of this one; never empty."""


def written_numbers(text: str, language: str) -> Counter[int]:
    """Return the numbers above 1 that ``text`` writes out in ``language`` (BCP-47; its first subtag counts).

    1 is left out, for most languages have it as an article too; ordinals and digits do not count. Empty for a
    language that is not in `NUMBER_LANGUAGES`.
    """
    return Counter(number.value for number in _numbers(text, _primary(language)) if number.value > 1)


def listed_words(text: str, language: str) -> list[ListedWord]:
    """Return the numbers above 1, colours and animals of ``text`` in ``language`` (BCP-47), in their order.

    Empty for a language without lists: there are some for cs, de, en, fr, ja and zh.
    """
    primary = _primary(language)
    found = [
        ListedWord(number.start, number.end, "number", number.others)
        for number in _numbers(text, primary)
        if number.others and number.value > 1
    ]
    taken = {position for number in found for position in range(number.start, number.end)}
    exchanges = _exchanges(primary)
    for word in _scanner(primary).finditer(text) if exchanges else ():
        kind, others = exchanges.get(word[0].casefold(), ("", ()))
        if others and kind != "number" and taken.isdisjoint(range(*word.span())):
            cased = tuple(_cased_as(word[0], other) for other in others)
            found.append(ListedWord(*word.span(), kind, cased))
    return sorted(found, key=lambda word: word.start)


@dataclass(frozen=True)
class _Number:
    start: int
    end: int
    value: int
    others: tuple[str, ...]


def _primary(language: str) -> str:
    return language.split("-")[0].lower()


def _numbers(text: str, primary: str) -> Iterator[_Number]:
    """Return the numbers that ``text`` writes out, 1 and articles among them."""
    if primary in _CLASSIFIERS:
        return _counted(text, primary)
    return _spelled(text, primary) if primary in _NUMBERS else iter(())


def _spelled(text: str, primary: str) -> Iterator[_Number]:
    """Return the numbers of a language that writes them with letters; what makes one number is joined."""
    exchanges = _exchanges(primary)
    last: _Number | None = None
    for word in _scanner(primary).finditer(text):
        value = None if word["trap"] else _spelled_value(word[0].casefold(), primary)
        if value is None:
            continue
        joined = None
        if last and text[last.end : word.start()] in (" ", "-"):
            joined = _joined(last.value, value)
        if last and joined:
            last = _Number(last.start, word.end(), joined, ())
            continue
        if last:
            yield last
        others = exchanges.get(word[0].casefold(), ("", ()))[1]
        last = _Number(*word.span(), value, tuple(_cased_as(word[0], other) for other in others))
    if last:
        yield last


def _spelled_value(word: str, primary: str) -> int | None:
    """Return the number that a folded word is or begins with; None where it is another word."""
    value = _values(primary).get(word)
    if value is None and primary in _COMPOUNDS and (compound := _COMPOUNDS[primary].fullmatch(word)):
        value = _values(primary)[compound[1]]
    return value


def _joined(first: int, second: int) -> int | None:
    """Return the number that two number words make one after the other; None where they stay two."""
    if (first, second) == (4, 20):  # quatre-vingts
        return 80
    if second == 100 and first < 10:
        return first * second
    if first % 10 == 0 and 20 <= first < 100 and second < 10:
        return first + second
    if (first == 10 and 7 <= second <= 9) or (first in (60, 80) and 10 <= second < 20):  # dix-sept, soixante-dix
        return first + second
    return None


def _counted(text: str, primary: str) -> Iterator[_Number]:
    """Return the numbers of a language that writes them with ideographs, where they count something."""
    for found in _counter(primary).finditer(text):
        digits = found["number"]
        if digits is None:
            continue
        if len(digits) > 1 and set(digits).isdisjoint(_UNITS):  # 两三个: two or three
            for position, digit in enumerate(digits, found.start()):
                yield _Number(position, position + 1, _DIGITS[digit], ())
            continue
        two = "二" if primary == "ja" else "两" if "兩" not in text else "兩"
        among = (two, *"三四五六七八九十") if len(digits) == 1 else ("十一", "十二", "十五", "二十", "三十", "五十")
        others = tuple(other for other in among if _value(other) != _value(digits))
        yield _Number(*found.span(), _value(digits), others)


def _value(ideographs: str) -> int:
    """Return the number that ideographs with units write: 二十五 is 25, 十 is 10."""
    total = part = digit = 0
    for character in ideographs:
        unit = _UNITS.get(character)
        if unit is None:
            digit = _DIGITS[character]
        elif unit == _UNITS["万"]:
            total, part, digit = total + max(part + digit, 1) * unit, 0, 0
        else:
            part, digit = part + max(digit, 1) * unit, 0
    return total + part + digit


def _cased_as(model: str, word: str) -> str:
    """Return ``word`` in the letter case of ``model``; as it is in the lists where that has none."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    if model.islower():
        return word.lower()
    return word[0].upper() + word[1:] if model[0].isupper() else word


@functools.cache
def _scanner(primary: str) -> re.Pattern[str]:
    """Return what finds every word, or in a language without spaces every listed one; group ``trap`` is to be left."""
    trap = f"(?P<trap>{_TRAPS[primary]})"
    if primary not in _CLASSIFIERS:
        return re.compile(rf"\b{trap}\b|[^\W\d_]+", re.IGNORECASE)
    longest_first = sorted(_exchanges(primary), key=lambda form: (-len(form), form))
    return re.compile(f"{trap}|{'|'.join(longest_first)}", re.IGNORECASE)


@functools.cache
def _counter(primary: str) -> re.Pattern[str]:
    """Return what finds the numbers of a language without spaces, in the group ``number``."""
    counting = f"(?=[多余餘来來]?[{_CLASSIFIERS[primary]}])"
    alone = "|俩(?=[个人])|[两兩]" if primary == "zh" else ""
    # No number at all beside 几 and 数 (some), 第 (ordinals) and digits.
    run = "[一二三四五六七八九两兩十百千万萬]+"
    return re.compile(f"{_TRAPS[primary]}|[第几幾数數\\d]{run}|{run}[几幾数數]|(?P<number>{run}{counting}{alone})")


@functools.cache
def _values(primary: str) -> Mapping[str, int]:
    """Return folded form → number, of a language that writes numbers with letters."""
    values = {form.casefold(): value for value, forms in _NUMBERS[primary].items() for form in forms.split()}
    if primary == "de":
        for tens in range(20, 100, 10):
            for unit in range(1, 10):
                spelled = f"{'ein' if unit == 1 else _NUMBERS['de'][unit].split()[0]}und{_NUMBERS['de'][tens]}"
                values[spelled.casefold()] = tens + unit
    return values


@functools.cache
def _exchanges(primary: str) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Return folded form → its kind, and the forms of other words in all columns where it stands.

    Where no word has one form for all of them, the first column counts.
    """
    exchanges: dict[str, tuple[str, tuple[str, ...]]] = {}
    for kind, tables in _TABLES.get(primary, {}).items():
        for table in tables:
            for row in table:
                for form in row:
                    columns = [i for i, other in enumerate(row) if other == form]
                    others = _alike(form, columns, table) or _alike(form, columns[:1], table)
                    exchanges.setdefault(form.casefold(), (kind, others))
    return exchanges


def _alike(form: str, columns: list[int], table: Iterable[_Row]) -> tuple[str, ...]:
    """Return the one form that each other row has in all ``columns``, of the rows that have one, without repeats."""
    forms = ({row[i] if i < len(row) else "" for i in columns} for row in table)
    return tuple(dict.fromkeys(only for (only, *more) in map(sorted, forms) if not more and only not in ("", form)))
