"""What Excel in each country expects of a CSV file that is opened by a double click: the profiles of CSV.

The separator of lists and the decimal separator are those that Windows sets for the country; the encoding is UTF-8 with
a byte order mark for all of them, which Excel knows since 2007. The names of months are those of the GNU C library's
locales (``mon``, ``abmon``, ``alt_mon``), the words for true and false those of Excel's functions.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["PROFILES", "Profile", "ProfileName"]

ProfileName = Literal[
    "excel",
    "excel-cs",
    "excel-da",
    "excel-de",
    "excel-de-ch",
    "excel-es",
    "excel-fi",
    "excel-fr",
    "excel-hu",
    "excel-it",
    "excel-ja",
    "excel-ko",
    "excel-nb",
    "excel-nl",
    "excel-pl",
    "excel-pt",
    "excel-pt-br",
    "excel-ru",
    "excel-sv",
    "excel-tr",
    "excel-zh",
]


class Profile(NamedTuple):
    """A country as Excel knows it."""

    delimiter: str = ","
    decimal_comma: bool = False
    truth_words: str = ""
    """What Excel takes for true and false, with blanks between, beside the English words."""
    month_words: str = ""
    """What it takes for months, beside the English names."""


ENGLISH = Profile(
    truth_words="true false",
    month_words="january february march april may june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec",
)
"""What every Excel knows."""

GERMAN_MONTHS = (
    "januar jänner februar märz april mai juni juli august september oktober november dezember "
    "jan feb mär mrz apr jun jul aug sep okt nov dez"
)
PORTUGUESE = Profile(
    ";",
    True,
    "verdadeiro falso",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro "
    "jan fev mar abr mai jun jul ago set out nov dez",
)

PROFILES: dict[ProfileName, Profile] = {
    "excel": Profile(),
    "excel-cs": Profile(
        ";",
        True,
        "pravda nepravda",
        "leden únor březen duben květen červen červenec srpen září říjen listopad prosinec "
        "ledna února března dubna května června července srpna října listopadu prosince "
        "led úno bře dub kvě čen čec srp zář říj lis pro",
    ),
    "excel-da": Profile(
        ";",
        True,
        "sand falsk",
        "januar februar marts april maj juni juli august september oktober november december "
        "jan feb mar apr jun jul aug sep okt nov dec",
    ),
    "excel-de": Profile(";", True, "wahr falsch", GERMAN_MONTHS),
    "excel-de-ch": Profile(";", False, "wahr falsch", GERMAN_MONTHS),
    "excel-es": Profile(
        ";",
        True,
        "verdadero falso",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre "
        "ene feb mar abr may jun jul ago sep sept oct nov dic",
    ),
    "excel-fi": Profile(
        ";",
        True,
        "tosi epätosi",
        "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesäkuu heinäkuu elokuu syyskuu lokakuu marraskuu joulukuu "
        "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
    ),
    "excel-fr": Profile(
        ";",
        True,
        "vrai faux",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre "
        "janv févr avr juil sept oct nov déc",
    ),
    "excel-hu": Profile(
        ";",
        True,
        "igaz hamis",
        "január február március április május június július augusztus szeptember október november december "
        "jan febr márc ápr máj jún júl aug szept okt nov dec",
    ),
    "excel-it": Profile(
        ";",
        True,
        "vero falso",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre "
        "gen feb mar apr mag giu lug ago set ott nov dic",
    ),
    "excel-ja": Profile(),
    "excel-ko": Profile(),
    "excel-nb": Profile(
        ";",
        True,
        "sann usann",
        "januar februar mars april mai juni juli august september oktober november desember "
        "jan feb mar apr jun jul aug sep okt nov des",
    ),
    "excel-nl": Profile(
        ";",
        True,
        "waar onwaar",
        "januari februari maart april mei juni juli augustus september oktober november december "
        "jan feb mrt apr jun jul aug sep okt nov dec",
    ),
    "excel-pl": Profile(
        ";",
        True,
        "prawda fałsz",
        "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień "
        "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia "
        "sty lut mar kwi cze lip sie wrz paź lis gru",
    ),
    "excel-pt": PORTUGUESE,
    "excel-pt-br": PORTUGUESE,
    "excel-ru": Profile(
        ";",
        True,
        "истина ложь",
        "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь "
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря "
        "янв фев мар апр июн июл авг сен окт ноя дек",
    ),
    "excel-sv": Profile(
        ";",
        True,
        "sant falskt",
        "januari februari mars april maj juni juli augusti september oktober november december "
        "jan feb mar apr jun jul aug sep okt nov dec",
    ),
    "excel-tr": Profile(
        ";",
        True,
        # In lower case twice: whoever lowers the capital I may know Turkish or not.
        "doğru yanlış yanliş",
        "ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık "
        "oca şub mar nis may haz tem ağu eyl eki kas ara",
    ),
    "excel-zh": Profile(),
}
"""The profiles by their names; ``excel`` is that of the countries that write 1.5."""
