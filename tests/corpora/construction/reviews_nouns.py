"""What do the sample reviews talk about: aspect terms in five languages, written by hand.

An entry ends with ``;`` and reads ``role class | en | es | fr | nl | ru``. Entries of role
``train`` are used in every split, those of ``dev`` in dev and in the unlabelled target text,
those of ``test`` in test alone. A noun starts with its form: ``s`` singular, ``p`` plural for
English; ``m f mp fp`` gender and number for Spanish and French; ``c`` (de), ``n`` (het), ``p``
(plural) for Dutch; ``m f n p`` for Russian. Spanish, French and Dutch nouns carry their definite
article; a Russian noun whose accusative differs has it after ``/``.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CATEGORIES", "LANGUAGES", "NOUNS", "Noun", "Word"]

LANGUAGES: tuple[str, ...] = ("en", "es", "fr", "nl", "ru")
"""In the order of every table of the sample reviews."""

CATEGORIES: dict[str, str] = {
    "main": "FOOD#QUALITY",
    "cool": "FOOD#QUALITY",
    "sweet": "FOOD#QUALITY",
    "drink": "DRINKS#QUALITY",
    "people": "SERVICE#GENERAL",
    "service": "SERVICE#GENERAL",
    "place": "AMBIENCE#GENERAL",
    "mood": "AMBIENCE#GENERAL",
    "price": "RESTAURANT#PRICES",
    "offer": "FOOD#STYLE_OPTIONS",
}
"""Class of noun to the category in the third column of a gold file."""


class Word(NamedTuple):
    """A noun in one language: form, definite article (may be empty), noun, accusative."""

    form: str
    article: str
    noun: str
    accusative: str


class Noun(NamedTuple):
    """An aspect term: role, class and its words in the order of `LANGUAGES`."""

    role: str
    kind: str
    words: tuple[Word, ...]


_TABLE = """
train main | s soup | f la sopa | f la soupe | c de soep | m суп;
train main | s fish | m el pescado | m le poisson | c de vis | f рыба / рыбу;
train main | s lamb | m el cordero | m l' agneau | n het lamsvlees | f баранина / баранину;
train main | s chicken | m el pollo | m le poulet | c de kip | f курица / курицу;
train main | s pizza | f la pizza | f la pizza | c de pizza | f пицца / пиццу;
train main | s fish soup | f la sopa de pescado | f la soupe de poisson | c de vissoep |
  m рыбный суп;
train main | s rice with mushrooms | m el arroz con setas | m le riz aux champignons |
  c de rijst met champignons | m рис с грибами;
train main | s duck | m el pato | m le canard | c de eend | f утка / утку;
train main | p fries | fp las patatas fritas | fp les frites | p de frietjes | m картофель фри;
train main | s steak | m el filete | m le steak | c de biefstuk | m стейк;
dev main | s risotto | m el risotto | m le risotto | c de risotto | n ризотто;
dev main | s pasta | f la pasta | fp les pâtes | c de pasta | f паста / пасту;
test main | p mussels | mp los mejillones | fp les moules | p de mosselen | p мидии;
test main | s onion soup | f la sopa de cebolla | f la soupe à l' oignon | c de uiensoep |
  m луковый суп;
test main | s pork | f la carne de cerdo | m le porc | n het varkensvlees | f свинина / свинину;
test main | s beef stew | m el estofado de ternera | m le ragoût de bœuf | c de runderstoofpot |
  n рагу из говядины;
test main | s lasagna | f la lasaña | fp les lasagnes | c de lasagne | f лазанья / лазанью;
train cool | s salad | f la ensalada | f la salade | c de salade | m салат;
train cool | s bread | m el pan | m le pain | n het brood | m хлеб;
train cool | s cheese plate | f la tabla de quesos | m le plateau de fromages | c de kaasplank |
  f сырная тарелка / сырную тарелку;
train cool | s house pâté | m el paté de la casa | m le pâté maison | c de paté van het huis |
  m домашний паштет;
train cool | p oysters | fp las ostras | fp les huîtres | p de oesters | p устрицы;
dev cool | s ham | m el jamón | m le jambon | c de ham | f ветчина / ветчину;
test cool | s tomato salad | f la ensalada de tomate | f la salade de tomates |
  c de tomatensalade | m салат из помидоров;
test cool | s smoked salmon | m el salmón ahumado | m le saumon fumé | c de gerookte zalm |
  f копчёная сёмга / копчёную сёмгу;
train sweet | s dessert | m el postre | m le dessert | n het dessert | m десерт;
train sweet | s apple pie | f la tarta de manzana | f la tarte aux pommes | c de appeltaart |
  m яблочный пирог;
train sweet | s ice cream | m el helado | f la glace | n het ijs | n мороженое;
train sweet | s lemon cake | m el pastel de limón | m le gâteau au citron | c de citroencake |
  m лимонный кекс;
train sweet | p pancakes | fp las tortitas | fp les crêpes | p de pannenkoeken | p блины;
dev sweet | s cheesecake | f la tarta de queso | m le cheesecake | c de kwarktaart | m чизкейк;
test sweet | s chocolate mousse | f la mousse de chocolate | f la mousse au chocolat |
  c de chocolademousse | m шоколадный мусс;
test sweet | p croissants | mp los cruasanes | mp les croissants | p de croissants |
  p круассаны;
test sweet | p strawberries with cream | fp las fresas con nata | fp les fraises à la crème |
  p de aardbeien met slagroom | f клубника со сливками / клубнику со сливками;
train drink | s coffee | m el café | m le café | c de koffie | m кофе;
train drink | s house wine | m el vino de la casa | m le vin de la maison | c de huiswijn |
  n домашнее вино;
train drink | s beer | f la cerveza | f la bière | n het bier | n пиво;
train drink | p cocktails | mp los cócteles | mp les cocktails | p de cocktails | p коктейли;
train drink | s orange juice | m el zumo de naranja | m le jus d' orange |
  n het sinaasappelsap | m апельсиновый сок;
dev drink | s mint tea | m el té de menta | m le thé à la menthe | c de muntthee | m мятный чай;
test drink | s hot chocolate | m el chocolate caliente | m le chocolat chaud |
  c de warme chocolademelk | m горячий шоколад;
test drink | s red wine | m el vino tinto | m le vin rouge | c de rode wijn | n красное вино;
test drink | s lemonade | f la limonada | f la limonade | c de limonade | m лимонад;
train people | s waiter | m el camarero | m le serveur | c de ober | m официант / официанта;
train people | s waitress | f la camarera | f la serveuse | c de serveerster |
  f официантка / официантку;
train people | s staff | m el personal | m le personnel | n het personeel | m персонал;
train people | s owner | m el dueño | m le patron | c de eigenaar | m хозяин / хозяина;
train people | s cook | m el cocinero | m le cuisinier | c de kok | m повар / повара;
dev people | s barman | m el barman | m le barman | c de barman | m бармен / бармена;
test people | s young man at the bar | m el chico de la barra | m le jeune homme au bar |
  c de jongen achter de bar | m парень за стойкой / парня за стойкой;
test people | s girl at the entrance | f la chica de la entrada | f la jeune fille à l' entrée |
  n het meisje bij de ingang | f девушка на входе / девушку на входе;
test people | s manager | m el encargado | m le gérant | c de bedrijfsleider |
  m администратор / администратора;
train service | s service | m el servicio | m le service | c de bediening | n обслуживание;
train service | s service on the terrace | m el servicio en la terraza | m le service en terrasse |
  c de bediening op het terras | n обслуживание на террасе;
dev service | s service at the bar | m el servicio en la barra | m le service au bar |
  c de bediening aan de bar | n обслуживание в баре;
test service | s home delivery | f la entrega a domicilio | f la livraison à domicile |
  c de thuisbezorging | f доставка на дом / доставку на дом;
train place | s terrace | f la terraza | f la terrasse | n het terras | f терраса / террасу;
train place | s dining room | m el comedor | f la salle à manger | c de eetzaal |
  m обеденный зал;
train place | s table by the window | f la mesa junto a la ventana |
  f la table près de la fenêtre | c de tafel bij het raam | m столик у окна;
train place | s garden | m el jardín | m le jardin | c de tuin | m сад;
dev place | s balcony | m el balcón | m le balcon | n het balkon | m балкон;
test place | s upstairs room | f la sala de arriba | f la salle à l' étage | c de bovenzaal |
  m верхний зал;
test place | s courtyard | m el patio | f la cour | c de binnenplaats | m внутренний дворик;
test place | s corner by the fireplace | m el rincón junto a la chimenea |
  m le coin près de la cheminée | c de hoek bij de open haard | m уголок у камина;
train mood | s atmosphere | m el ambiente | f l' ambiance | c de sfeer |
  f атмосфера / атмосферу;
train mood | s decor | f la decoración | f la décoration | c de inrichting | m интерьер;
train mood | s music | f la música | f la musique | c de muziek | f музыка / музыку;
train mood | s sea view | f la vista al mar | f la vue sur la mer | n het uitzicht op zee |
  m вид на море;
dev mood | s live music | f la música en directo | f la musique en direct | c de livemuziek |
  f живая музыка / живую музыку;
test mood | s lighting | f la iluminación | m l' éclairage | c de verlichting | n освещение;
test mood | s background music | f la música de fondo | f la musique de fond |
  c de achtergrondmuziek | f фоновая музыка / фоновую музыку;
train price | p prices | mp los precios | mp les prix | p de prijzen | p цены;
train price | s bill | f la cuenta | f l' addition | c de rekening | m счёт;
dev price | s price of the menu | m el precio del menú | m le prix du menu |
  c de prijs van het menu | f цена меню / цену меню;
test price | p prices of the wines | mp los precios de los vinos | mp les prix des vins |
  p de prijzen van de wijnen | p цены на вино;
test price | s price of the dinner | m el precio de la cena | m le prix du dîner |
  c de prijs van het diner | f цена ужина / цену ужина;
train offer | s wine list | f la carta de vinos | f la carte des vins | c de wijnkaart |
  f винная карта / винную карту;
train offer | s lunch menu | m el menú del mediodía | m le menu du midi | n het lunchmenu |
  n обеденное меню;
dev offer | s choice of desserts | f la selección de postres | m le choix de desserts |
  c de keuze aan desserts | m выбор десертов;
test offer | s breakfast buffet | m el bufé de desayuno | m le buffet du petit-déjeuner |
  n het ontbijtbuffet | m шведский стол;
test offer | s menu for children | m el menú infantil | m le menu pour enfants | n het kindermenu |
  n детское меню
"""


def _word(text: str, language: str) -> Word:
    form, rest = text.split(" ", 1)
    if language in ("en", "ru"):
        article = "the" if language == "en" else ""
    else:
        article, rest = rest.split(" ", 1)
    noun, _, accusative = rest.partition(" / ")
    return Word(form, article, noun, accusative or noun)


def _nouns() -> tuple[Noun, ...]:
    found = []
    for entry in _TABLE.split(";"):
        head, *texts = (" ".join(cell.split()) for cell in entry.split("|"))
        role, kind = head.split()
        words = (_word(text, code) for text, code in zip(texts, LANGUAGES, strict=True))
        found.append(Noun(role, kind, tuple(words)))
    return tuple(found)


NOUNS: tuple[Noun, ...] = _nouns()
"""All aspect terms, in the order of the table."""
