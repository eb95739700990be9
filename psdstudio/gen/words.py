"""Word tables of the planner: function words, verbs, adjectives, counts. Data only; all lower case, one space."""

from __future__ import annotations

from enum import Enum
from typing import Final


class RelationKind(Enum):
    """How an object stands to its target. Depth follows from it, see `planner`."""

    ON = "on"
    IN = "in"
    BEHIND = "behind"
    IN_FRONT_OF = "in front of"
    BETWEEN = "between"
    NEXT_TO = "next to"
    UNDER = "under"
    ABOVE = "above"
    WITH = "with"


class Position(Enum):
    """A place in the picture said without a target ("on the left", "in the distance")."""

    LEFT = "left"
    RIGHT = "right"
    CENTRE = "centre"
    BACK = "back"
    FRONT = "front"


LATERAL: Final = frozenset({RelationKind.BETWEEN, RelationKind.NEXT_TO, RelationKind.WITH})
GROUNDING: Final = frozenset({RelationKind.ON, RelationKind.IN})

_RELATIONS: Final = {
    RelationKind.ON: (
        "on|upon|atop|onto|on top of|across|along|at|riding|riding on|hanging from|crossing|aboard|"
        "on board|climbing|climbing on|climbing up|balancing on|on the side of|on the bank of|"
        "on the banks of|on the shore of|on the shores of|at the top of|at the bottom of|on the back of|"
        "on the surface of|on top"
    ),
    RelationKind.IN: (
        "in|inside|into|within|inside of|through|amid|amidst|among|amongst|out of|coming out of|"
        "emerging from|in the middle of|in the center of|in the centre of|in the corner of|in the heart of"
    ),
    RelationKind.BEHIND: (
        "behind|at the back of|hidden behind|peeking out from behind|peeking from behind|from behind|"
        "out from behind|beyond"
    ),
    RelationKind.IN_FRONT_OF: "in front of|before|against|leaning against|leaning on|in front",
    RelationKind.BETWEEN: "between|in between",
    RelationKind.NEXT_TO: (
        "next to|beside|besides|near|nearby|near to|by|close to|alongside|to the left of|to the right of|"
        "on the left of|on the right of|left of|right of|around|at the edge of|on the edge of|"
        "at the foot of|towards|toward|past|opposite|facing|chasing|watching|pointing at|pointing to|"
        "growing from|drinking from|eating from|after|during|crossing to|looking up at|staring at|"
        "smiling at|barking at|looking down at|following|pulling|pushing|looking at|leading to|"
        "playing with|guarding|"
        "going round|running round|dancing round|gathered round|gathered around|circling|orbiting|"
        "encircling|"
        "surrounded by|to|together with|along with|accompanied by|on either side of|on both sides of|"
        "on each side of|at the end of|at the side of|by the side of|at the base of|flanked by|framed by|"
        "outside|outside of|pulled by|held by|followed by|overlooking|to its left|to its right|"
        "to their left|to their right|on its left|on its right|on either side|on both sides|on each side"
    ),
    RelationKind.UNDER: "under|underneath|beneath|below|in the shade of|under the shade of|from under|out from under",
    RelationKind.ABOVE: "above|over|high above|overhead",
    RelationKind.WITH: "with|containing|featuring|showing|and with",
}
# Prepositions of place that go with grounds as well as with things; "next to" goes with things.
NEIGHBOURING: Final = frozenset(
    "by|near|near to|close to|around|past|towards|toward|at the edge of|to|outside".split("|")
)
# These may stand without a noun: "a mushroom with a snail on top".
ALONE: Final = frozenset(
    "behind|in front|on top|underneath|beneath|below|above|overhead|inside|nearby|alongside|to its left|"
    "to its right|to their left|to their right|on its left|on its right|on either side|on both sides|"
    "on each side".split("|")
)
RELATIONS: Final = {phrase: kind for kind, row in _RELATIONS.items() for phrase in row.split("|")}

# The words after one of these describe the noun before it and never become a layer.
ATTRIBUTES: Final = frozenset(
    "made of|made from|made out of|full of|filled with|covered in|covered with|decorated with|"
    "painted with|topped with|wearing|holding|carrying|eating|drinking|reading|playing|like|shaped like|"
    "without|lit by|in the shape of|for|as|about|from|in shades of|dressed in|dressed as|wrapped in|"
    "tied with|coated in|coated with|dusted with|lined with|adorned with|engraved with|carved from|"
    "carved out of|labelled|labeled|stuffed with|loaded with|packed with|overflowing with|brimming with|"
    "topped by|sprinkled with|drizzled with|garnished with|printed with|illuminated by|overgrown with|"
    "covered by|built of|built from|dipped in|saying|that says|shaped as|inspired by|glazed with|"
    "wrapped with|made with|cut into|the size of|instead of".split("|")
)
# Of these, what only the subject can do: in "a squirrel on a stump holding a nut" the squirrel holds it.
DOING: Final = frozenset("wearing|holding|carrying|eating|drinking|reading|playing".split("|"))
# States said with a preposition: no place and no thing.
STATES: Final = frozenset(
    "in half|in two|in pieces|on fire|in flames|in flight|in bloom|in full bloom|in blossom|in mid-air|"
    "in midair|in motion|on display|in use|upside down|wide open|in profile|on tiptoe".split("|")
)
JOINS: Final = frozenset(
    "and|&|plus|as well as|and also|then|or|,|;|.|:|!|?|(|)|while|but|+|/|—|–|-".split("|")
)
DROPPED: Final = frozenset(
    "thanks|thank you|cheers|for me|for us|if possible|if you can|maybe|perhaps|overhead shot|"
    "overhead view|from overhead|is|are|was|were|be|"
    "being|been|that is|that are|which is|which are|who is|that|which|who|there is|"
    "there are|there's|there stands|there|has|have|having|also|just|please|can you|could you|i want|"
    "i would like|we see|you see|i see|both|each|all|only|together|side by side|in a line|in line|"
    "in a circle|in a row|it is|it's|not far away|in the air|into the air|through the air|here|"
    "here is|here are|and then|placed|located|situated|"
    "set|seen|with nothing else|nothing else|seen from above|from above|seen from below|from below|"
    "viewed from above|seen from the side|from the side".split("|")
)
# What comes before an opening: "could you please draw".
OFFERS: Final = tuple(
    "please|can you|could you|would you|i want|i need|i'd like|i would like|i'd love|we need|we want|"
    "we'd like|let's|can i have|can i get|could i have|could i get|can we have|could we have|can we get|"
    "could we get|may i have|i'm after|i am after|we're after|i'm looking for|we're looking for|"
    "looking for|"
    "how about|what about|let me have|let me see|i'd love to see|try|you to|to|see|have|me|us|now|,|.|"
    "hi|hello|kindly".split("|")
)
# Sentence openings that speak of the picture, not of what is in it.
OPENINGS: Final = tuple(
    "draw me|draw|create|generate|make me|make|paint me|paint|show me|show|design|render|imagine|give me|"
    "depict|visualize|visualise|illustrate|give us|do me|get me|put|place|add|insert|mock up|"
    "close up of|a close up of|an extreme close up of|build me|"
    "build|model|compose|sketch|produce|put together".split("|")
)
PICTURES: Final = frozenset(
    "picture|image|photo|photograph|illustration|painting|drawing|sketch|rendering|render|scene|view|"
    "close-up|closeup|watercolor|watercolour|cartoon|artwork|poster|wallpaper|shot|still life|still-life|"
    "composition|portrait|landscape|snapshot|mockup|mock-up|banner|flat lay|macro|icon|collage|visual|"
    "header|logo|graphic|doodle|emblem|mural|thumbnail|clipart".split("|")
)
# What a picture is said to be for or of before its name: "a hero image with".
PICTURE_KINDS: Final = frozenset(
    "hero|header|cover|key|promo|promotional|product|lifestyle|editorial|advertising|campaign|stock|"
    "album|seasonal|"
    "background|marketing|concept|studio|overhead|aerial|square|wide".split("|")
)
STYLES: Final = frozenset(
    "aerial view|aerial shot|wide shot|side view|front view|wide angle|bird's eye view|close up|"
    "low angle|studio shot|"
    "product shot|"
    "style|photorealistic|realistic|cinematic|watercolor|watercolour|cartoon|minimalist|detailed|4k|8k|hd|"
    "high quality|quality|artstation|photo|photography|illustration|painting|drawing|rendering|artwork|"
    "sketch|anime|pixar|hyperrealistic|masterpiece|bokeh|clay|flat lay|top view|depth of field|isometric|"
    "low poly|sharp focus|line art|pixel art|flat design|vector|vector art|3d render|minimal|close-up|"
    "macro".split("|")
)
POSITIONS: Final = {
    phrase: position
    for position, row in {
        Position.LEFT: "on the left|to the left|at the left|on the left side|on the left hand side|at left",
        Position.RIGHT: "on the right|to the right|at the right|on the right side|on the right hand side|at right",
        Position.CENTRE: "in the middle|in the center|in the centre|at the center|at the centre|in the midst",
        Position.BACK: "in the background|in the distance|in the back|far away|in the far distance|at the back",
        Position.FRONT: "in the foreground|in the front|at the front|up close|up front",
    }.items()
    for phrase in row.split("|")
}
# Glasses to drink from come in pairs of two; any other pair of glasses is one thing.
VESSELS_OF_GLASS: Final = frozenset(
    "wine|champagne|beer|cocktail|martini|whisky|whiskey|shot|water|drinking|pint|sherry|brandy|empty|full|"
    "tall|crystal|clinking|margarita|gin|port|cordial|hour".split("|")
)
# What earth is called where it is no planet.
SOILS: Final = frozenset(
    "bare|cracked|parched|scorched|ploughed|plowed|tilled|dug|muddy|loose|dry|damp".split("|")
)
# Nouns that say what somebody does where a thing with an article follows.
GERUND_NOUNS: Final = frozenset("building|painting|drawing|carving|ringing|stringing|icing".split("|"))
# Verbs that take an object without an article; no compound is made with them ("a coffee grinding machine" is one).
TRANSITIVE: Final = frozenset(
    "sipping|chasing|catching|throwing|kicking|chewing|munching|nibbling|licking|juggling|selling|pouring|"
    "spilling|breathing|spitting|guarding|stealing|delivering|hugging|biting|blowing|devouring|spreading|"
    "flipping|tossing|waving|lifting|dragging|hauling|hunting|sniffing".split("|")
)
# Adverbs that are a place by themselves: "a turtle underwater".
PLACE_ADVERBS: Final = frozenset({"underwater"})
PRONOUNS: Final = frozenset("it|them|him|themselves|itself|each other|one another".split("|"))

DETERMINERS: Final = frozenset(
    "a|an|the|this|that|these|those|some|any|its|their|his|her|my|our|your|another|a single|every|no|"
    "not".split("|")
)
NEGATIONS: Final = frozenset({"no", "not"})
POSSESSIVES: Final = frozenset({"its", "their", "his", "her"})
NUMBERS: Final = {
    word: n
    for n, row in enumerate(
        "|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
        "sixteen|seventeen|eighteen|nineteen|twenty".split("|")
    )
    for word in ([row] if row else [])
} | {"several": 3, "few": 3, "many": 5, "dozen": 12, "hundred": 100, "hundreds": 100, "thousand": 1000}
# "a pair of shoes": as many layers; a number after "of" wins.
COLLECTIVES: Final = {
    "pair": 2, "couple": 2, "duo": 2, "trio": 3, "dozen": 12, "handful": 3, "group": 3, "flock": 3, "herd": 3,
    "row": 3, "line": 3, "school": 3, "family": 3, "swarm": 3, "set": 3, "pack": 3, "team": 3, "collection": 3,
    "number": 3, "lot": 5, "crowd": 5,
}  # fmt: skip
# "a pile of books": one layer, what is piled is the noun.
MEASURES: Final = frozenset(
    "pile|stack|heap|bunch|slice|piece|loaf|cluster|scoop|drop|lump|block|sheet|bar|roll|head|clump|wedge|"
    "chunk|bundle|half|kind|type|sort".split("|")
)
# "a vase with tulips": what a container holds is no layer of its own.
CONTAINERS: Final = frozenset(
    "vase|bowl|basket|cup|mug|glass|jar|bottle|plate|pot|bucket|box|bag|tray|jug|pitcher|crate|can|barrel|"
    "dish|pan|saucer|backpack|cart|wheelbarrow|cake|pizza|salad|burger|hamburger|soup|aquarium|flowerpot|"
    "planter|goblet|kettle|teapot|chest|drawer|suitcase|envelope|carton|tin|tub".split("|")
)
# More that things are in without being in a place.
VESSELS: Final = frozenset(
    "cage|birdcage|nest|web|hammock|stroller|tank|fishbowl|wheelchair|trolley|shopping cart|cradle|cocoon|"
    "egg|bathtub|drawer|wagon|sleigh|boat|tent|teacup|shell|bubble|pocket|hand|frame|sack|pouch|glove|"
    "hollow".split("|")
)
# Grounds by the mass, things where they are listed: "lemons and mint leaves".
SCATTERED: Final = frozenset(
    {"leaves", "leaf", "rocks", "stars", "clouds", "trees", "pebbles", "planks", "tiles"}
)
# Of these, the ones that hide what they hold; "a plate with a sandwich" is two things.
HOLDERS: Final = frozenset(
    "vase|cup|mug|glass|jar|bottle|pot|jug|pitcher|cake|pizza|salad|burger|hamburger|soup|aquarium|"
    "flowerpot|planter|goblet|envelope|can|tin|wine glass|sandwich".split("|")
)
# Under one of these a thing is half hidden; under anything else (a tree, a lamp) it stands in front.
HIDING: Final = frozenset(
    "table|desk|bench|chair|armchair|bed|sofa|bridge|piano|stove|sink|cabinet|shelf|stool|crib|car|truck|"
    "bus|counter|rug|blanket|umbrella stand".split("|")
)
# Parts and worn things: "a house with a red roof", "a cat with a hat".
PARTS: Final = frozenset(
    "handle|roof|wheel|lid|leg|arm|head|tail|ear|eye|nose|mouth|face|wing|fin|horn|antler|mane|beak|"
    "feather|fur|hair|beard|whisker|paw|claw|spot|stripe|dot|pattern|pocket|button|collar|sleeve|strap|"
    "hat|cap|scarf|crown|helmet|glove|bow|tie|bowtie|ribbon|bell|sail|mast|door|chimney|shade|lampshade|"
    "stem|leaf|petal|thorn|core|icing|frosting|topping|cherry|straw|string|cord|cable|screen|label|logo|"
    "sticker|frame|edge|rim|base|top|bottom|seat|cushion|back|backrest|drawer|shell|tusk|trunk|glasses|"
    "sunglasses|shoe|boot|sock|dress|shirt|jacket|coat|sweater|cape|mask|necklace|earring|smile|crust|"
    "filling|skin|nail|blade|hand|dial|spout|hole|crack|tooth|neck|hump|foot|tentacle|saddle|leash|"
    "headlight|window pane|spoke|hem".split("|")
)
# Where "with" plus one of these (plural, no number) belongs to the ground: "a meadow with flowers".
TEXTURES: Final = frozenset(
    "flower|wildflower|tree|leaf|wave|ripple|cloud|rock|stone|pebble|seashell|reed|star|daisy|poppy|"
    "dandelion|bush|puddle|hill|mountain|dune|lily pad|water lily|blossom|cobblestone|tile|plank|"
    "snowflake|skyscraper|building|light|pine|palm tree|pine tree|tulip|footprint|vine|plant".split("|")
)
# Finite and participle forms of verbs without an object; what stays with the noun, "" if it says nothing.
VERBS: Final = {
    "sits": "", "sit": "", "sitting": "", "seated": "", "stands": "", "stand": "", "standing": "",
    "rests": "", "sat": "", "stood": "", "knelt": "", "kneeling": "kneeling", "squatting": "crouching", "lay": "lying",
    "resting": "", "lies": "lying", "lie": "lying", "lying": "lying", "laying": "lying", "parked": "",
    "sleeps": "sleeping", "sleep": "sleeping", "sleeping": "sleeping", "asleep": "sleeping",
    "flies": "flying", "fly": "flying", "flying": "flying", "swims": "swimming", "swim": "swimming",
    "swimming": "swimming", "runs": "running", "run": "running", "running": "running", "jumps": "jumping",
    "jump": "jumping", "jumping": "jumping", "leaping": "jumping", "walks": "walking", "walk": "walking",
    "walking": "walking", "floats": "", "float": "", "floating": "", "drifts": "", "drifting": "",
    "hovers": "", "hovering": "", "hangs": "hanging", "hanging": "hanging", "glows": "glowing",
    "glowing": "glowing", "burning": "burning", "burns": "burning", "steaming": "steaming", "waits": "",
    "waiting": "", "drinking": "drinking", "looks": "", "looking": "", "stays": "", "grazes": "grazing",
    "graze": "grazing",
    "grazing": "grazing", "plays": "playing", "perched": "", "perches": "", "leaning": "", "leans": "",
    "playing": "playing", "dancing": "dancing", "dances": "dancing", "crouching": "crouching", "grows": "",
    "growing": "", "blooming": "blooming", "sailing": "", "sails": "", "driving": "", "drives": "",
    "hidden": "", "hides": "", "hiding": "", "curled": "curled", "stacked": "", "scattered": "",
    "nestled": "",
    "smiling": "smiling", "sunbathing": "", "wandering": "walking", "rising": "", "rises": "",
    "stretches": "", "mooring": "", "moored": "", "anchored": "", "lit": "lit", "appears": "",
}  # fmt: skip
# Verb forms that are nouns as well; they are verbs only where they agree with what stands before.
NOUN_VERBS: Final = frozenset(
    "stand|stands|float|floats|fly|flies|rest|rests|run|runs|walk|walks|jump|jumps|play|plays|drive|"
    "drives".split("|")
)
PARTICIPLES: Final = frozenset(
    "stuck|cut|hung|bent|built|torn|sunk|frozen|grown|broken|spread|worn|blown".split("|")
)
NO_PARTICIPLES: Final = frozenset(
    "building|painting|ring|king|wing|string|ceiling|clothing|earring|swing|spring|pudding|railing|"
    "lightning|wedding|drawing|dumpling|duckling|gosling|thing|icing|frosting|crossing|bed|seed|shed|sled|"
    "weed|reed|steed|red|seabed|flatbed|flowerbed|breed|seedling|sapling|sterling|viking|bowling|topping|"
    "filling|sling|sting|herring|starling|sibling|darling|underling|stocking|awning|moulding|carving|"
    "engraving".split("|")
)
ADVERBS: Final = frozenset(
    "fast|up|down|off|out|away|alone|still|together|upright|sideways|outdoors|indoors|ashore|apart|"
    "backwards|"
    "forwards|aloft".split("|")
)
NO_ADVERBS: Final = frozenset(
    "family|lily|jelly|belly|butterfly|bully|holly|dolly|trolley|assembly|friendly|lovely|lonely|curly|"
    "silly|elderly|early|woolly|chilly|bubbly|wrinkly|prickly|sparkly|cuddly|wobbly|jolly|oily|smelly|"
    "holy|firefly|dragonfly|waterlily|monopoly|anomaly|housefly|hilly|leafy|tally|rally|ally|fly|ugly|"
    "doily|gully|lolly|brolly|folly|supply|jolly|burly|pearly|scaly|frilly|gnarly|crumbly|bristly|stately|"
    "homely|speckly|crinkly|swirly|spindly|pebbly|knobbly|squiggly|italy|july|deadly|heavenly|lively|"
    "ghostly".split("|")
)
# Clothes: "a cat in a raincoat" wears it.
WORN: Final = frozenset(
    "raincoat|coat|hat|dress|suit|tuxedo|uniform|costume|sweater|hoodie|jacket|scarf|apron|cape|pajamas|"
    "pyjamas|armor|armour|helmet|boot|shoe|glasses|sunglasses|clothing|clothes|robe|kimono|spacesuit|"
    "shirt|t-shirt|skirt|jeans|gown|cap|vest|outfit|overalls|sneaker|sock|pullover|jumper|cloak|swimsuit|"
    "bikini|top hat|hood|mask|headphones|high heel".split("|")
)
# Light that a thing may give; other light lies on the whole picture.
GLOWS: Final = frozenset(
    "light|lighting|glow|neon lights|neon light|fairy lights|spotlight|shade|shadow|heat".split("|")
)
# What a body is on or in without a place being named: "lying on its side", "a bone in its mouth".
BODY: Final = frozenset(
    "side|back|knee|belly|stomach|own|lap|leg|paw|toe|fist|lip|way|beak|mouth|hand|arm".split("|")
)
# A ground when said without an article: "a ring on black velvet".
SLABS: Final = frozenset(
    "silk|velvet|satin|linen|slate|marble|concrete|cloth|fabric|fur|felt|leather|wood|paper".split("|")
)
# What a picture is made for: "for a bakery website".
MEDIA: Final = frozenset(
    "website|site|poster|banner|ad|advert|advertisement|card|cover|header|flyer|magazine|brochure|page|"
    "instagram|post|campaign|calendar|invitation|menu|blog|book|app|newsletter|packaging|presentation|"
    "slide|shop|brand".split("|")
)

COLOURS: Final = frozenset(
    "red|crimson|scarlet|ruby|maroon|burgundy|vermilion|pink|rose|magenta|fuchsia|coral|salmon|peach|"
    "orange|amber|rust|terracotta|copper|bronze|brown|chestnut|chocolate|caramel|tan|beige|khaki|cream|"
    "ivory|sand|yellow|gold|golden|mustard|ochre|green|emerald|olive|lime|mint|jade|teal|turquoise|cyan|"
    "aqua|blue|navy|azure|cobalt|sapphire|indigo|purple|violet|lavender|lilac|mauve|plum|black|ebony|"
    "charcoal|grey|gray|silver|white|dark|light|pale|bright|colorful|colourful|multicolored|pastel|lemon|"
    "cherry|blond|ginger|rainbow".split("|")
)
# Colours that are things where an article stands before and nothing follows: "a unicorn and a rainbow".
THINGS_TOO: Final = frozenset(
    "rainbow|plum|lime|olive|chestnut|salmon|peach|ruby|emerald|sapphire".split("|")
)
MATERIALS: Final = frozenset(
    "wood|wooden|oak|pine|walnut|teak|bamboo|metal|metallic|steel|iron|aluminium|aluminum|brass|chrome|"
    "tin|stone|marble|granite|concrete|brick|clay|ceramic|porcelain|glass|crystal|plastic|rubber|leather|"
    "fabric|cotton|wool|woolen|woollen|silk|velvet|felt|paper|cardboard|wicker|rattan|ice|wax|knitted|"
    "denim|enamel".split("|")
)
ADJECTIVES: Final = (COLOURS | MATERIALS) - {"light"} | frozenset(
    "smaller|bigger|larger|taller|older|younger|shorter|longer|darker|brighter|smallest|biggest|tallest|"
    "largest|small|tiny|little|big|large|huge|giant|enormous|tall|short|long|thin|thick|wide|narrow|"
    "round|square|"
    "old|ancient|antique|vintage|retro|modern|rustic|new|young|cute|fat|happy|sad|sleepy|open|closed|"
    "empty|broken|shiny|glossy|matte|rusty|dusty|fluffy|soft|hard|smooth|rough|striped|spotted|dotted|hot|"
    "cold|wet|dry|fresh|ripe|beautiful|elegant|simple|cozy|cosy|wild|quiet|calm|very|really|heavy|tidy|"
    "messy|clean|dirty|friendly|curious|lonely|proud|funny|pretty|lovely|plain|fancy|delicate|sturdy|"
    "slender|chubby|furry|weathered|transparent".split("|")
)

# The irregular nouns that compounds end in ("bookshelf", "werewolf").
COMPOUND_ENDS: Final = ("shelf", "wolf", "knife", "woman", "scarf", "leaf")
# Plural in form, one thing all the same: "castle ruins", "a pair of jeans".
PLURAL_ONLY: Final = frozenset(
    "ruins|stairs|clothes|jeans|pants|trousers|shorts|binoculars|tongs|pliers|tweezers|goggles|"
    "earphones|tights|"
    "leggings|spectacles|eyeglasses|shears|secateurs|clippers|pincers|forceps|handcuffs|dungarees|chinos|"
    "slacks|breeches|knickers|corduroys|nutcrackers|knickerbockers|remains|overalls|pajamas|pyjamas|"
    "fries|noodles|fireworks|news|bellows".split("|")
)
IRREGULAR_PLURALS: Final = {
    "mouse": "mice", "goose": "geese", "foot": "feet", "tooth": "teeth", "man": "men", "woman": "women",
    "child": "children", "person": "people", "ox": "oxen", "leaf": "leaves", "loaf": "loaves",
    "knife": "knives",
    "wolf": "wolves", "shelf": "shelves", "calf": "calves", "scarf": "scarves", "elf": "elves",
    "half": "halves",
    "sheep": "sheep", "fish": "fish", "deer": "deer", "moose": "moose", "bison": "bison", "shrimp": "shrimp",
    "aircraft": "aircraft", "spacecraft": "spacecraft", "cactus": "cacti", "octopus": "octopuses",
    "snowman": "snowmen", "fireman": "firemen", "policeman": "policemen", "die": "dice", "hoof": "hooves",
    "life": "lives", "wife": "wives", "salmon": "salmon", "squid": "squid", "swine": "swine", "elk": "elk",
}  # fmt: skip

# Every word of these tables that a misspelt one may mean.
SPOKEN: Final = (
    frozenset(RELATIONS)
    | ATTRIBUTES
    | ADJECTIVES
    | MEASURES
    | CONTAINERS
    | PARTS
    | WORN
    | frozenset(VERBS)
    | frozenset(POSITIONS)
    | frozenset(COLLECTIVES)
    | frozenset(NUMBERS)
    | PICTURES
    | frozenset(OPENINGS)
)
