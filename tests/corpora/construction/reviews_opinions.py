"""With which words do the sample reviews judge: adjectives in five languages, written by hand.

An entry ends with ``;`` and reads ``role polarity classes | en | es | fr | nl | ru``, with roles
as in `reviews_nouns`; ``deny`` after the classes: its denial is praise ("not slow at all").
Forms: ``stem+a/b`` are singular and plural, ``stem+a/b/c/d`` masculine, feminine, masculine
plural, feminine plural. Spanish food was described with *estar* and the rest with *ser*, unless
``ser:`` or ``estar:`` stands before the adjective. Dutch is ``predicate/before a noun``; an
adjective with one Dutch form only stands in predicates only. Russian is ``stem+ый`` or
``stem+ий`` and declined by `reviews_grammar`.
"""

from __future__ import annotations

from typing import NamedTuple

from corpora.construction.reviews_nouns import CATEGORIES

__all__ = ["FOOD", "OPINIONS", "Opinion"]

FOOD: frozenset[str] = frozenset({"main", "cool", "sweet", "drink"})
"""Classes that can be eaten or drunk."""

_GROUPS = {
    "food": FOOD,
    "all": frozenset(CATEGORIES),
    "most": frozenset(CATEGORIES) - {"price"},
    "wares": frozenset(CATEGORIES) - {"people"},
    "things": frozenset(CATEGORIES) - {"price", "people"},
}


class Opinion(NamedTuple):
    """An adjective: role, polarity, classes it suits, deniable, texts by language."""

    role: str
    polarity: str
    kinds: frozenset[str]
    deny: bool
    words: tuple[str, ...]

    @property
    def attributive(self) -> bool:
        """Whether it can stand before a noun in every language."""
        return "/" in self.words[3]


_TABLE = """
train POS food | delicious | delicios+o/a/os/as | délicieu+x/se/x/ses | heerlijk/heerlijke |
  вкусн+ый;
train POS most | excellent | excelente+/s | excellent+/e/s/es | uitstekend/uitstekende |
  отличн+ый;
train POS food | tasty | sabros+o/a/os/as | savoureu+x/se/x/ses | smakelijk/smakelijke |
  аппетитн+ый;
train POS cool | fresh | fresc+o/a/os/as | fra+is/îche/is/îches | vers/verse | свеж+ий;
train POS things | splendid | espléndid+o/a/os/as | splendide+/s | schitterend/schitterende |
  великолепн+ый;
train POS things | wonderful | maravillos+o/a/os/as | merveilleu+x/se/x/ses |
  geweldig/geweldige | чудесн+ый;
train POS people,service | friendly | amable+/s | aimable+/s | vriendelijk/vriendelijke |
  любезн+ый;
train POS people,service | attentive | atent+o/a/os/as | attenti+f/ve/fs/ves |
  attent/attente | внимательн+ый;
train POS people,service | fast | rápid+o/a/os/as | rapide+/s | snel/snelle | быстр+ый;
train POS mood,place,people,service | pleasant | agradable+/s | agréable+/s |
  aangenaam/aangename | приятн+ый;
train POS place | cosy | acogedor+/a/es/as | accueillant+/e/s/es | gezellig/gezellige |
  уютн+ый;
train POS price | reasonable | razonable+/s | raisonnable+/s | redelijk/redelijke | разумн+ый;
train POS price | modest | módic+o/a/os/as | modique+/s | bescheiden/bescheiden | скромн+ый;
train POS offer | varied | variad+o/a/os/as | varié+/e/s/es | gevarieerd/gevarieerde |
  разнообразн+ый;
train POS offer | interesting | interesante+/s | intéressant+/e/s/es |
  interessant/interessante | интересн+ый;
dev POS food | exquisite | exquisit+o/a/os/as | exquis+/e//es | verrukkelijk/verrukkelijke |
  изысканн+ый;
dev POS people | polite | educad+o/a/os/as | poli+/e/s/es | beleefd/beleefde | вежлив+ый;
dev POS mood,place,people | charming | encantador+/a/es/as | charmant+/e/s/es |
  charmant/charmante | очаровательн+ый;
dev POS price,offer | attractive | atractiv+o/a/os/as | attracti+f/ve/fs/ves |
  aantrekkelijk/aantrekkelijke | привлекательн+ый;
test POS most | outstanding | excepcional+/es | exceptionnel+/le/s/les |
  voortreffelijk/voortreffelijke | превосходн+ый;
test POS food | divine | divin+o/a/os/as | divin+/e/s/es | goddelijk/goddelijke |
  божественн+ый;
test POS people | helpful | servicial+/es | serviable+/s | behulpzaam/behulpzame |
  отзывчив+ый;
test POS people,service | professional | profesional+/es | professionnel+/le/s/les |
  professioneel/professionele | профессиональн+ый;
test POS mood,place | romantic | romántic+o/a/os/as | romantique+/s | romantisch/romantische |
  романтичн+ый;
test POS place | quiet | tranquil+o/a/os/as | tranquille+/s | rustig/rustige | тих+ий;
test POS price | affordable | asequible+/s | abordable+/s | betaalbaar/betaalbare |
  доступн+ый;
test POS offer | original | original+/es | origina+l/le/ux/les |
  origineel/originele | оригинальн+ый;
train NEG main | cold | frí+o/a/os/as | froid+/e/s/es | koud/koude | холодн+ый;
train NEG food | tasteless | insípid+o/a/os/as | insipide+/s | smakeloos/smakeloze |
  безвкусн+ый;
train NEG main | too salty | demasiado salad+o/a/os/as | trop salé+/e/s/es | te zout |
  слишком солён+ый;
train NEG sweet,drink | too sweet | demasiado dulce+/s | trop sucré+/e/s/es | te zoet |
  слишком сладк+ий;
train NEG most | horrible | horrible+/s | horrible+/s | vreselijk/vreselijke | ужасн+ый;
train NEG people,service deny | slow | lent+o/a/os/as | lent+/e/s/es | traag/trage |
  медленн+ый;
train NEG people deny | rude | groser+o/a/os/as | grossi+er/ère/ers/ères |
  onbeleefd/onbeleefde | груб+ый;
train NEG people deny | arrogant | arrogante+/s | arrogant+/e/s/es | arrogant/arrogante |
  высокомерн+ый;
train NEG place deny | dirty | estar:suci+o/a/os/as | sale+/s | vies/vieze | грязн+ый;
train NEG place deny | noisy | ruidos+o/a/os/as | bruyant+/e/s/es | rumoerig/rumoerige |
  шумн+ый;
train NEG place | too small | demasiado pequeñ+o/a/os/as | trop petit+/e/s/es | te klein |
  слишком маленьк+ий;
train NEG mood,offer deny | boring | aburrid+o/a/os/as | ennuyeu+x/se/x/ses | saai/saaie |
  скучн+ый;
train NEG price deny | excessive | excesiv+o/a/os/as | excessi+f/ve/fs/ves |
  overdreven/overdreven | завышенн+ый;
train NEG price | too high | demasiado alt+o/a/os/as | trop élevé+/e/s/es | te hoog |
  слишком высок+ий;
train NEG offer deny | limited | limitad+o/a/os/as | limité+/e/s/es | beperkt/beperkte |
  ограниченн+ый;
dev NEG food | disgusting | asqueros+o/a/os/as | dégoûtant+/e/s/es | walgelijk/walgelijke |
  отвратительн+ый;
dev NEG people deny | unfriendly | antipátic+o/a/os/as | antipathique+/s |
  onvriendelijk/onvriendelijke | неприветлив+ый;
dev NEG place deny | dark | oscur+o/a/os/as | sombre+/s | donker/donkere | тёмн+ый;
dev NEG price | absurd | absurd+o/a/os/as | absurde+/s | absurd/absurde | абсурдн+ый;
dev NEG service deny | chaotic | caótic+o/a/os/as | chaotique+/s | chaotisch/chaotische |
  хаотичн+ый;
test NEG main,cool,sweet | inedible | incomible+/s | immangeable+/s | oneetbaar/oneetbare |
  несъедобн+ый;
test NEG main | burnt | estar:quemad+o/a/os/as | brûlé+/e/s/es | verbrand/verbrande |
  подгоревш+ий;
test NEG drink | watery | aguad+o/a/os/as | aqueu+x/se/x/ses | waterig/waterige |
  водянист+ый;
test NEG people | incompetent | incompetente+/s | incompétent+/e/s/es |
  incompetent/incompetente | некомпетентн+ый;
test NEG people,service deny | careless | descuidad+o/a/os/as | négligent+/e/s/es |
  slordig/slordige | небрежн+ый;
test NEG mood,place | depressing | deprimente+/s | déprimant+/e/s/es |
  deprimerend/deprimerende | удручающ+ий;
test NEG place deny | cramped | estrech+o/a/os/as | étroit+/e/s/es | krap/krappe | тесн+ый;
test NEG price,service | scandalous | escandalos+o/a/os/as | scandaleu+x/se/x/ses |
  schandalig/schandalige | возмутительн+ый;
test NEG food,offer,mood | disappointing | ser:decepcionante+/s | décevant+/e/s/es |
  teleurstellend/teleurstellende | неудачн+ый;
test NEG offer,mood deny | monotonous | monóton+o/a/os/as | monotone+/s |
  eentonig/eentonige | однообразн+ый;
train NEU all | acceptable | aceptable+/s | acceptable+/s | acceptabel/acceptabele |
  приемлем+ый;
train NEU wares | ordinary | ser:corriente+/s | ordinaire+/s | alledaags/alledaagse |
  обычн+ый;
train NEU wares | average | normal+/es | moyen+/ne/s/nes | gemiddeld/gemiddelde | средн+ий;
dev NEU most | so-so | regular+/es | quelconque+/s | matig | посредственн+ый;
test NEU all | passable | pasable+/s | passable+/s | passabel/passabele | сносн+ый;
test NEU wares | standard | ser:estándar+/es | standard+/ | standaard/standaard | стандартн+ый
"""


def _opinions() -> tuple[Opinion, ...]:
    found = []
    for entry in _TABLE.split(";"):
        head, *words = (" ".join(cell.split()) for cell in entry.split("|"))
        role, polarity, names, *deny = head.split()
        kinds: set[str] = set()
        for name in names.split(","):
            kinds |= _GROUPS.get(name, frozenset({name}))
        found.append(Opinion(role, polarity, frozenset(kinds), bool(deny), tuple(words)))
    return tuple(found)


OPINIONS: tuple[Opinion, ...] = _opinions()
"""All adjectives, in the order of the table."""
