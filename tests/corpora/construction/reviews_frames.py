"""In which sentences do the sample reviews judge: patterns in five languages.

A block is a line ``role places`` and one line per language (en, es, fr, nl, ru); `reviews_grammar`
says how a pattern is read. Patterns of role ``all`` stand in every split. A place says what fills
it: ``any``, ``POS``, ``strong`` (POS or NEG) an adjective; ``attr`` one that can precede a noun;
``same``, ``opposite`` as against the place before; ``flip`` one whose denial turns the polarity;
``echo`` a noun of the first one's class with its polarity; ``=POS`` a noun which the pattern
itself judges; ``=O`` a noun which nothing judges. ``:class,class`` restricts the noun.
"""

from __future__ import annotations

from corpora.construction.reviews_grammar import Frame, read_frames

__all__ = ["FRAMES"]

FRAMES: tuple[Frame, ...] = read_frames("""
all any
[1] {be1} {1} .
[1] {be1} {1} .
[1] {be1} {1} .
[1] {be1} {1} .
[1] {be1} {1} .

all flip
[1] {be1} not {1} at all .
[1] no {be1} nada {1} .
[1] n' {be1} pas du tout {1} .
[1] {be1} helemaal niet {1} .
[1] {be1} совсем не {1} .

train strong
[1] {be1} really {1} .
[1] {be1} realmente {1} .
[1] {be1} vraiment {1} .
[1] {be1} echt {1} .
[1] {be1} действительно {1} .

train any
{day} [1] {be1} {1} .
{day} [1] {be1} {1} .
{day} , [1] {be1} {1} .
{day} {be1} [1] {1} .
{day} [1] {be1} {1} .

train any
I think that [1] {be1} {1} .
Creo que [1] {be1} {1} .
Je trouve que [1] {be1} {1} .
Ik vind dat [1] {1} {be1} .
По-моему , [1] {be1} {1} .

train any:main,cool,sweet,drink,people,service
[1t] {is1} always {1} .
[1t] siempre {is1} {1} .
[1t] {is1} toujours {1} .
[1t] {is1} altijd {1} .
[1t] всегда {1} .

train any
[1] turned out to be {1} .
[1] <1:resultó/resultaron> {1} .
[1] <1:s' est avéré/s' est avérée/se sont avérés/se sont avérées> {1} .
[1] <1:bleek/bleken> {1} te zijn .
[1] <1:оказался/оказалась/оказалось/оказались> {1i} .

train flip
Contrary to what people say , [1] {be1} not {1} .
Al contrario de lo que dicen , [1] no {be1} {1} .
Contrairement à ce qu' on dit , [1] n' {be1} pas {1} .
In tegenstelling tot wat men zegt , {be1} [1] niet {1} .
Вопреки тому , что говорят , [1] не {be1} {1i} .

train =POS:things
We loved [1a] .
Nos <1:encantó/encantaron> [1] .
Nous avons adoré [1] .
Wij genoten van [1] .
Нам очень <1:понравился/понравилась/понравилось/понравились> [1] .

train =POS:food
We recommend [1a] .
Recomendamos [1] .
Nous recommandons [1] .
Wij raden [1] aan .
Рекомендуем [1a] .

train =NEG
[1] disappointed us .
[1] nos <1:decepcionó/decepcionaron> .
[1] nous <1:a/ont> déçus .
[1] <1:stelde/stelden> ons teleur .
[1] нас <1:разочаровал/разочаровала/разочаровало/разочаровали> .

train =NEG
Everything was perfect , only [1] let us down .
Todo fue perfecto , solo nos <1:falló/fallaron> [1] .
Tout était parfait , <1:seul/seule/seuls/seules> [1] nous <1:a/ont> déçus .
Alles was perfect , alleen [1] <1:viel/vielen> tegen .
Всё было прекрасно , <1:подвёл/подвела/подвело/подвели> только [1] .

train =NEU:food,service,place,mood,offer
[1] <1:was/were> nothing special .
[1] no <1:tenía/tenían> nada de especial .
[1] n' <1:avait/avaient> rien de spécial .
[1] <1:was/waren> niets bijzonders .
[1] — ничего особенного .

train any opposite
[1] {be1} {1} , but [2] {be2} {2} .
[1] {be1} {1} , pero [2] {be2} {2} .
[1] {be1} {1} , mais [2] {be2} {2} .
[1] {be1} {1} , maar [2] {be2} {2} .
[1] {be1} {1i} , но [2] {be2} {2i} .

train any opposite
Although [1] {be1} {1} , [2] {be2} {2} .
Aunque [1] {be1} {1} , [2] {be2} {2} .
Même si [1] {be1} {1} , [2] {be2} {2} .
Hoewel [1] {1} {be1} , {be2} [2] {2} .
Хотя [1] {be1} {1i} , [2] {be2} {2i} .

all any same
[1] {be1} {1} and [2] {be2} {2} .
[1] {be1} {1} y [2] {be2} {2} .
[1] {be1} {1} et [2] {be2} {2} .
[1] {be1} {1} en [2] {be2} {2} .
[1] {be1} {1i} , и [2] {be2} {2i} .

all attr attr
{1} [1b] , {2} [2b] .
[1b] {1} , [2b] {2} .
[1b] {1} , [2b] {2} .
{1x} [1b] , {2x} [2b] .
{1} [1b] , {2} [2b] .

train =O:food any:other
We ordered [1a] ; [2] {be2} {2} .
Pedimos [1] ; [2] {be2} {2} .
Nous avons commandé [1] ; [2] {be2} {2} .
Wij bestelden [1] ; [2] {be2} {2} .
Мы заказали [1a] ; [2] {be2} {2} .

all any same opposite
[1] {be1} {1} and [2] {be2} {2} , but [3] {be3} {3} .
[1] {be1} {1} y [2] {be2} {2} , pero [3] {be3} {3} .
[1] {be1} {1} et [2] {be2} {2} , mais [3] {be3} {3} .
[1] {be1} {1} en [2] {be2} {2} , maar [3] {be3} {3} .
[1] {be1} {1i} , [2] {be2} {2i} , но [3] {be3} {3i} .

dev any
In my opinion [1] {be1} {1} .
En mi opinión [1] {be1} {1} .
À mon avis , [1] {be1} {1} .
Naar mijn mening {be1} [1] {1} .
На мой взгляд , [1] {be1} {1} .

dev =POS
[1] pleasantly surprised us .
[1] nos <1:sorprendió/sorprendieron> gratamente .
[1] nous <1:a/ont> agréablement surpris .
[1] <1:verraste/verrasten> ons aangenaam .
[1] нас приятно <1:удивил/удивила/удивило/удивили> .

dev =NEG
I did not like [1a] .
No me <1:gustó/gustaron> [1] .
Je n' ai pas aimé [1] .
[1] <1:beviel/bevielen> mij niet .
Мне не <1:понравился/понравилась/понравилось/понравились> [1] .

dev any opposite
[1] {be1} {1} ; however , [2] {be2} {2} .
[1] {be1} {1} ; sin embargo , [2] {be2} {2} .
[1] {be1} {1} ; en revanche , [2] {be2} {2} .
[1] {be1} {1} ; [2] daarentegen {be2} {2} .
[1] {be1} {1i} ; однако [2] {be2} {2i} .

test any same:food,service,place,mood echo
[1] {be1} {1} ; [2] {be2} {2} , and [3] {be3} too .
[1] {be1} {1} ; [2] {be2} {2} , y [3] también .
[1] {be1} {1} ; [2] {be2} {2} , et [3] aussi .
[1] {be1} {1} ; [2] {be2} {2} , en [3] ook .
[1] {be1} {1i} ; [2] {be2} {2i} , и [3] тоже .

test any
I must say that [1] {be1} {1} .
Debo decir que [1] {be1} {1} .
Je dois dire que [1] {be1} {1} .
Ik moet zeggen dat [1] {1} {be1} .
Должен сказать , что [1] {be1} {1} .

test POS
We will come back , because [1] {be1} {1} .
Volveremos , porque [1] {be1} {1} .
Nous reviendrons , parce que [1] {be1} {1} .
Wij komen terug , omdat [1] {1} {be1} .
Мы вернёмся , потому что [1] {be1} {1} .

test =POS:food,place,mood,offer
[1] <1:is/are> worth the trip .
[1] <1:merece/merecen> la pena .
[1] <1:vaut/valent> le détour .
[1] <1:is/zijn> de moeite waard .
[1] <1:стоит/стоят> того .

test =NEG
[1] spoiled our evening .
[1] nos <1:arruinó/arruinaron> la noche .
[1] <1:a/ont> gâché notre soirée .
[1] <1:verpestte/verpestten> onze avond .
[1] <1:испортил/испортила/испортило/испортили> нам вечер .

test =NEU:food,service,place,mood,offer
[1] {be1} neither good nor bad .
[1] no {be1} ni <1:bueno/buena/buenos/buenas> ni <1:malo/mala/malos/malas> .
[1] n' {be1} ni <1:bon/bonne/bons/bonnes> ni <1:mauvais/mauvaise/mauvais/mauvaises> .
[1] {be1} niet goed en niet slecht .
[1] {be1} ни <1:хороший/хорошая/хорошее/хорошие> , ни <1:плохой/плохая/плохое/плохие> .

test any opposite
[1] {be1} {1} , whereas [2] {be2} {2} .
[1] {be1} {1} , mientras que [2] {be2} {2} .
[1] {be1} {1} , tandis que [2] {be2} {2} .
[1] {be1} {1} , terwijl [2] {2} {be2} .
[1] {be1} {1i} , а [2] {be2} {2i} .

test =O:solid any:other
I shared [1a] with a friend and [2] {be2} {2} .
Compartí [1] con un amigo y [2] {be2} {2} .
J' ai partagé [1] avec un ami et [2] {be2} {2} .
Ik deelde [1] met een vriend en [2] {be2} {2} .
Я разделил [1a] с другом , и [2] {be2} {2} .
""")
"""Patterns with one to three places of which at least one is an aspect."""
