"""Which sentences of the sample reviews hold no aspect, and what fills the named gaps.

Blocks as in `reviews_frames`; role ``free`` belongs to the unlabelled target text alone. Some of
these sentences judge, but the noun that judges ("what a disaster") is no aspect; some name a dish
or the bill, but judge nothing. A filling ends with ``;`` and reads
``role name | en | es | fr | nl | ru``; a split uses the fillings of its own role where there are
some, otherwise those of ``train``.
"""

from __future__ import annotations

from typing import NamedTuple

from corpora.construction.reviews_grammar import read_frames

__all__ = ["FILLINGS", "PLAIN", "Filling"]


class Filling(NamedTuple):
    """A text for a named gap: role, name, texts by language."""

    role: str
    name: str
    texts: tuple[str, ...]


PLAIN = read_frames("""
train =O:solid
{who} [1a] .
{who} [1] .
{who} [1] .
{who} [1] .
{who} [1a] .

train =O:food =O:food
{day} we ordered [1a] and [2a] .
{day} pedimos [1] y [2] .
{day} , nous avons commandé [1] et [2] .
{day} bestelden wij [1] en [2] .
{day} мы заказали [1a] и [2a] .

train =O:food
The waiter brought [1a] .
El camarero trajo [1] .
Le serveur a apporté [1] .
De ober bracht [1] .
Официант принёс [1a] .

all
{day} {verdict} .
{day} {verdict} .
{day} , {verdict} .
{day} {verdict} .
{day} {verdict} .

dev =O:food
Next time I will try [1a] .
La próxima vez probaré [1] .
La prochaine fois , je goûterai [1] .
De volgende keer probeer ik [1] .
В следующий раз я попробую [1a] .

test =O:solid
Afterwards we shared [1a] .
Después compartimos [1] .
Ensuite , nous avons partagé [1] .
Daarna deelden wij [1] .
Потом мы разделили [1a] на всех .

test =O:solid
The guests at the next table were eating [1a] .
Los clientes de la mesa de al lado comían [1] .
Les clients de la table voisine mangeaient [1] .
De gasten aan de tafel naast ons aten [1] .
Гости за соседним столиком ели [1a] .

train
We will never come back .
No volveremos nunca .
Nous ne reviendrons jamais .
Wij komen nooit meer terug .
Мы больше никогда не вернёмся .

train
We had booked a table for four .
Habíamos reservado una mesa para cuatro .
Nous avions réservé une table pour quatre .
Wij hadden een tafel voor vier gereserveerd .
Мы забронировали столик на четверых .

train
What a disaster !
¡ Qué desastre !
Quel désastre !
Wat een ramp !
Какой провал !

train
A real gem in the old town .
Una verdadera joya en el casco antiguo .
Un vrai bijou dans la vieille ville .
Een echt juweeltje in de oude stad .
Настоящая жемчужина в старом городе .

train
We paid by card and left .
Pagamos con tarjeta y nos fuimos .
Nous avons payé par carte et nous sommes partis .
Wij betaalden met een kaart en gingen weg .
Мы заплатили картой и ушли .

train
We had to wait for an hour .
Tuvimos que esperar una hora .
Nous avons dû attendre une heure .
Wij moesten een uur wachten .
Нам пришлось ждать целый час .

train
Thank you for a wonderful evening !
¡ Gracias por una noche maravillosa !
Merci pour cette soirée merveilleuse !
Bedankt voor een geweldige avond !
Спасибо за чудесный вечер !

train
I cannot recommend it to anyone .
No se lo puedo recomendar a nadie .
Je ne peux le recommander à personne .
Ik kan het niemand aanraden .
Никому не могу это порекомендовать .

train
We asked for the bill at eleven .
Pedimos la cuenta a las once .
Nous avons demandé l' addition à onze heures .
Wij vroegen om elf uur om de rekening .
Мы попросили счёт в одиннадцать часов .

train
The terrace opens at noon .
La terraza abre a mediodía .
La terrasse ouvre à midi .
Het terras gaat om twaalf uur open .
Терраса открывается в полдень .

free
We are regulars .
Somos clientes habituales .
Nous sommes des habitués .
Wij zijn vaste klanten .
Мы постоянные клиенты .

free
A most unpleasant experience !
¡ Una experiencia muy desagradable !
Une expérience très désagréable !
Een heel onaangename ervaring !
Очень неприятный опыт !

free
We asked twice and nobody answered .
Preguntamos dos veces y nadie contestó .
Nous avons demandé deux fois et personne n' a répondu .
Wij vroegen het twee keer en niemand antwoordde .
Мы спросили дважды , и никто не ответил .

free
The cook asked where we came from .
El cocinero preguntó de dónde veníamos .
Le cuisinier a demandé d' où nous venions .
De kok vroeg waar wij vandaan kwamen .
Повар спросил , откуда мы приехали .

dev
Never again !
¡ Nunca más !
Plus jamais !
Nooit meer !
Больше никогда !

dev
Ideal for couples .
Ideal para parejas .
Idéal pour les couples .
Ideaal voor stellen .
Идеально для пар .

dev
The cook comes from Italy .
El cocinero es de Italia .
Le cuisinier vient d' Italie .
De kok komt uit Italië .
Повар родом из Италии .

test
What a shame !
¡ Qué pena !
Quel dommage !
Wat jammer !
Как жаль !

test
We will tell all our friends about it .
Se lo contaremos a todos nuestros amigos .
Nous en parlerons à tous nos amis .
Wij zullen het al onze vrienden vertellen .
Мы расскажем об этом всем друзьям .

test
A success from start to finish .
Un éxito de principio a fin .
Une réussite du début à la fin .
Een succes van begin tot eind .
Успех от начала до конца .

test
We walked through the garden to the car .
Fuimos por el jardín hasta el coche .
Nous avons traversé le jardin jusqu' à la voiture .
Wij liepen door de tuin naar de auto .
Мы прошли через сад к машине .
""")
"""Patterns without an aspect."""

_TABLE = """
train day | on Saturday | el sábado | samedi | zaterdag | в субботу;
train day | yesterday | ayer | hier | gisteren | вчера;
train day | last week | la semana pasada | la semaine dernière | vorige week |
  на прошлой неделе;
train day | on Friday evening | el viernes por la noche | vendredi soir | vrijdagavond |
  в пятницу вечером;
train day | last month | el mes pasado | le mois dernier | vorige maand | в прошлом месяце;
train day | on my birthday | el día de mi cumpleaños | le jour de mon anniversaire |
  op mijn verjaardag | в мой день рождения;
train day | on Sunday | el domingo | dimanche | zondag | в воскресенье;
train day | this time | esta vez | cette fois | deze keer | на этот раз;
train day | at lunchtime | a mediodía | à midi | tussen de middag | в обед;
train who | my wife ordered | mi mujer pidió | ma femme a commandé | mijn vrouw bestelde |
  моя жена заказала;
train who | my brother ordered | mi hermano pidió | mon frère a commandé |
  mijn broer bestelde | мой брат заказал;
train who | our friends tried | nuestros amigos probaron | nos amis ont goûté |
  onze vrienden proefden | наши друзья попробовали;
train who | the children shared | los niños compartieron | les enfants ont partagé |
  de kinderen deelden | дети разделили;
train who | my mother chose | mi madre eligió | ma mère a choisi | mijn moeder koos |
  моя мама выбрала;
train who | the other guests were eating | los otros clientes comían |
  les autres clients mangeaient | de andere gasten aten | другие гости ели;
train verdict | it was a disaster | fue un desastre | c' était un désastre | was het een ramp |
  это был полный провал;
train verdict | it was a real pleasure | fue un verdadero placer | c' était un vrai plaisir |
  was het een waar genoegen | это было настоящее удовольствие;
train verdict | it was a waste of time | fue una pérdida de tiempo |
  c' était une perte de temps | was het tijdverspilling | это была пустая трата времени;
train verdict | we had a great time | lo pasamos muy bien |
  nous avons passé un très bon moment | hadden wij het erg naar onze zin |
  мы отлично провели время;
train verdict | it was a big disappointment | fue una gran decepción |
  c' était une grande déception | was het een grote teleurstelling |
  это было большое разочарование;
dev verdict | it was a nice surprise | fue una grata sorpresa | c' était une belle surprise |
  was het een leuke verrassing | это был приятный сюрприз;
dev verdict | it was a mistake | fue un error | c' était une erreur | was het een vergissing |
  это была ошибка;
test verdict | it was a nightmare | fue una pesadilla | c' était un cauchemar |
  was het een nachtmerrie | это был кошмар;
test verdict | it was a feast | fue una fiesta | c' était une fête | was het een feest |
  это был праздник
"""


def _fillings() -> tuple[Filling, ...]:
    found = []
    for entry in _TABLE.split(";"):
        head, *texts = (" ".join(cell.split()) for cell in entry.split("|"))
        role, name = head.split()
        found.append(Filling(role, name, tuple(texts)))
    return tuple(found)


FILLINGS: tuple[Filling, ...] = _fillings()
"""All fillings, in the order of the table."""
