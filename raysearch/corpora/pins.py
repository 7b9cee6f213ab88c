"""Which bytes does the project know: the SHA-256 of every public file, as measured.

Keys are paths in the data folder. A file that is not listed here (EmoTales, IEMOCAP) was not
at hand when the digests were taken: `download` says so instead of trusting the first copy
that arrives.
"""

from __future__ import annotations

__all__ = ["PINS"]

PINS: dict[str, str] = {
    "emobank/emobank.csv": "1ade4a4a453e880c0f39d0536d2b355e8a716e0cf88236c64cdb4d438cf9605b",
    "facebook_va/dataset-fb-valence-arousal-anon.csv": (
        "303898828e8bace5d132783275bbead1b846c293c1d6b09f07d6f1674ebda47c"
    ),
    "goemotions/dev.tsv": "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62",
    "goemotions/labels.txt": "45c3ef86782d2a4d7fedcd6d8c111aa0d0e94720689bd164fac94fefb4495a89",
    "goemotions/test.tsv": "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4",
    "goemotions/train.tsv": "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5",
    "sentiment/custrev.all": "a3839a79bd3285177a07158c6104b49038a7a06ab2abe897734cde5d22e5e325",
    "sentiment/mpqa.all": "661de8a069da4b9845fc8b9ae59cc97ffe554f3018fa6bf0e640e3d626a4eaf7",
    "sentiment/rt-polarity.all": (
        "b8846c3bbd59241f901efdc58f7c515e4b280ab3561fd1858caa5aa48da95a8a"
    ),
    "sentiment/stsa.binary.dev": (
        "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1"
    ),
    "sentiment/stsa.binary.test": (
        "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b"
    ),
    "sentiment/stsa.binary.train": (
        "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338"
    ),
    "sentiment/subj.all": "f3ffbe2aa8e4f3ba3e63e46dce51613854edbca122fb3aa758b9bce047ded23c",
    "xabsa/cs_en-es-train.txt": (
        "817a5482fe0c0492a928f0553c308617a2ea9e04556c725adcc5edcaa7b1d0fe"
    ),
    "xabsa/cs_en-fr-train.txt": (
        "923a4a617d69a34ec9169d611bdbe8718af9012005ff80b0abd19644719b30ee"
    ),
    "xabsa/cs_en-nl-train.txt": (
        "891576492802d6983e2789630806f19a699b71571e6ed0060ce7da7814fb31a0"
    ),
    "xabsa/cs_en-ru-train.txt": (
        "664223f261193f93a61e49d9f95c03fcd600b72a0df6abb5176dfe1f8aa286f6"
    ),
    "xabsa/cs_es-en-train.txt": (
        "480dc7ec9cae821b1b1208734ece14da906feb881fe4b7dd1dc81153d11d46aa"
    ),
    "xabsa/cs_fr-en-train.txt": (
        "1cdd9b1d1c024d20dd686723fbd3c73558a9a712b1cdbcc5e1181d7dcf28dd77"
    ),
    "xabsa/cs_nl-en-train.txt": (
        "792eb28c34ecce7321593c68bd1c12821470e494c5bfd8e80ecad75cd3963094"
    ),
    "xabsa/cs_ru-en-train.txt": (
        "2db34d7e5c9cd26e09748442a007dbe1e17b3abb732ccdd36ef908f219fffa67"
    ),
    "xabsa/gold-en-dev.txt": "9f3ee0b512d70eb5763f0e7d949887298308d7b08ca8e14a44b6b9150249b5a6",
    "xabsa/gold-en-test.txt": "254b31c75b3e540d40d74cbf8511d0489496d5e15fbb4495153c3c3b412f5768",
    "xabsa/gold-en-train.txt": "beba48b9725c2bd205286512ee12b9ced78be0e607b3b1528628ef6897c6bc00",
    "xabsa/gold-es-dev.txt": "7babf3945f9427f84e2193987f49c514dd1a785ebdb38dd5d6face1e33ec647d",
    "xabsa/gold-es-test.txt": "7c39aa6e48c7f50519f262a29049d2c8dc60266eb18472b83015120c4341be42",
    "xabsa/gold-es-train.txt": "da3aafcbf38440f1082d681bf149ccf285aca84a2be61e3015b213e17d688037",
    "xabsa/gold-fr-dev.txt": "a46a833d650acc841bf32fa72fc7614c0a0488094c73c3aebbf4e036b66ece9d",
    "xabsa/gold-fr-test.txt": "5508a615a7b5c0c4be64fcaed7c86bb2db033e9bd1e3be7a80b24093707ef2d1",
    "xabsa/gold-fr-train.txt": "8e2c0c8b278717a9bc2ae23b7733fe8aaa8ff4a8ae5822413cec76e180e467ae",
    "xabsa/gold-nl-dev.txt": "5015a0b80481d9d321bf097156142aba73663fac00afd5ed393f506df54d04c6",
    "xabsa/gold-nl-test.txt": "cf54ba5df9e6ec4fdd533468e98449966816079609858365f2ae2192cacdb59d",
    "xabsa/gold-nl-train.txt": "4870dc13c683ef1fe157778417816ffb0e25a549be5b77a86379b445c16ed392",
    "xabsa/gold-ru-dev.txt": "692245fee0f567120ca02eb79ea1458b0dc119e1cf54561cffea5e194b4466b8",
    "xabsa/gold-ru-test.txt": "336f2abf7e39af29ee4988a6bf2a3c3f86f29d7fde890430ef39fc2a847d53eb",
    "xabsa/gold-ru-train.txt": "30728b1247b43ad9589730260a35c2010251710b9ec994dd5da052c1998b00ab",
    "xabsa/smt-es-train.txt": "d879f45ae208025f1f026a7f8bd2e140f4622af0b55c00b911b0a7cca5837864",
    "xabsa/smt-fr-train.txt": "b4237d30b55a9f9cc3a565dc5f2928f6374712eb0a696f83a87ea99c1536adf5",
    "xabsa/smt-nl-train.txt": "c173e93b478d169f337ef607ef4fe40e5e867a105cc5e58cdcd8e649e92f5597",
    "xabsa/smt-ru-train.txt": "f01f04260134d98d6b177c6809eff805499ee177f56f40e1529d3b41f88c5f24",
}
