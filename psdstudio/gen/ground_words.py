"""Word tables of the planner: places, grounds and light. Data only; all lower case, one space."""

from __future__ import annotations

from typing import Final

# Background nouns by family; a family's name is the ground the engine knows best.
_PLACES: Final = {
    "water": (
        "water|lake|sea|ocean|river|pond|stream|creek|pool|swimming pool|puddle|bay|lagoon|waves|waterfall|"
        "harbor|harbour|underwater|seabed|reef|coral reef|canal|fountain basin|surf"
    ),
    "beach": ("beach|shore|seashore|coast|sand|seaside|riverbank|shoreline|lakeside|sandbank|island beach"),
    "meadow": (
        "meadow|grass|lawn|field|pasture|park|garden|grassland|prairie|savanna|savannah|yard|backyard|"
        "playground|countryside|hill|hillside|hills|valley|orchard|vineyard|flower bed|plain|moor|farmland|"
        "farmyard|clearing|wheat field|golf course|football pitch|zoo|farm"
    ),
    "forest": (
        "forest|woods|woodland|jungle|rainforest|wood path|bamboo forest|trees|forest floor|undergrowth"
    ),
    "snow": ("snow|ice|snowfield|glacier|tundra|frozen lake|arctic|ice floe|snowdrift|ski slope"),
    "desert": ("desert|dunes|dune|sand dunes|sahara|canyon|badlands|wasteland"),
    "mountains": (
        "mountain|mountains|cliff|cliffs|rocks|peak|mountain range|rocky shore|volcano slope|crater"
    ),
    "sky": ("sky|night sky|clouds|starry sky|horizon|heaven|stars|space|outer space|galaxy|cosmos|universe"),
    "street": (
        "street|road|path|sidewalk|pavement|alley|square|city|town|village|market|driveway|parking lot|"
        "highway|crossroads|plaza|courtyard|cobblestones|cobbles|skyline|cityscape|railway|track|tracks|"
        "trail|racetrack|runway|marketplace|downtown|asphalt|lane|avenue|boulevard|harbour front|quay|"
        "footpath"
    ),
    "room": (
        "room|living room|bedroom|kitchen|bathroom|office|classroom|library|cafe|café|restaurant|bar|hall|"
        "corridor|studio|gallery|museum|workshop|garage|attic|cellar|basement|interior|kitchen counter|"
        "balcony|terrace|patio|porch|shop|dining room|nursery|hallway|laboratory|greenhouse interior|loft|"
        "theatre|supermarket|gym|hospital|playroom|cave|dungeon|corner|cabin interior|bakery|study|"
        "stable"
    ),
    "floor": (
        "floor|ground|tiles|floorboards|parquet|soil|mud|dirt|gravel|hay|straw bed|leaves|deck|"
        "wooden planks|planks|surface|fallen leaves|autumn leaves|moss"
    ),
    "wall": (
        "wall|brick wall|window|windowsill|window sill|backdrop|background|gradient|wallpaper|"
        "curtain wall|plaster|chalkboard wall"
    ),
}
PLACES: Final = {family: frozenset(row.split("|")) for family, row in _PLACES.items()}
# Towns and countries, of which an unknown one is taken for a thing.
_TOWNS: Final = (
    "amsterdam|athens|bali|bangkok|barcelona|beijing|berlin|boston|brooklyn|brussels|budapest|"
    "buenos aires|cairo|california|cape town|chicago|copenhagen|dubai|dublin|edinburgh|florence|"
    "florida|geneva|hamburg|hawaii|helsinki|hong kong|iceland|istanbul|jerusalem|kyoto|las vegas|"
    "lisbon|london|los angeles|madrid|manhattan|marrakech|marseille|melbourne|mexico city|miami|milan|"
    "montreal|moscow|mumbai|munich|naples|new delhi|new orleans|new york|osaka|oslo|paris|petra|porto|"
    "prague|provence|rio de janeiro|rome|san francisco|santorini|seoul|seville|shanghai|singapore|"
    "stockholm|sydney|texas|tokyo|toronto|toscana|tuscany|vancouver|venice|vienna|warsaw|zurich"
)
# Places by name alone: no unknown noun is taken for one of these ("pug" is no pub).
NAMED_PLACES: Final = frozenset(
    "airport|allotment|amusement park|antarctica|apartment|aquarium floor|arena|art gallery|asphalt floor|"
    "atmosphere|auditorium|aurora|back garden|ballroom|balustrade|barn interior|barnyard|baseball field|"
    "basketball court|bazaar|beachfront|bike path|blackboard|bokeh background|bookshop|bookstore|"
    "boxing ring|brickwork|bus stop|camp|campsite|car park|casino|cemetery|chalkboard|cinema|circus ring|"
    "city square|cliffside|closet|cloudscape|coastline|cockpit|coffee shop|color gradient|colour gradient|"
    "concert hall|conference room|conservatory|construction site|cove|crag|crypt|curtain|curtains|deep sea|"
    "deep space|diner|dockyard|doorstep|elevator|entrance hall|esplanade|factory|factory yard|fairground|"
    "farmer's market|farmers market|fjord|flagstones|flooring|flower field|flower garden|flower shop|"
    "foliage|football field|front yard|gaming room|gas station|gorge|graveyard|greenhouse|grove|gymnasium|"
    "hangar|harbour wall|hardwood floor|hilltop|hot spring|hotel room|ice field|ice rink|intersection|"
    "junkyard|kindergarten|lab|lakefront|lakeshore|lanai|launch pad|launchpad|laundry room|ledge|lobby|"
    "locker room|lounge|mantel|mantelpiece|marina|marsh|meeting room|milky way|mountain pass|mountain top|"
    "mountainside|mountaintop|mudroom|nebula|neighborhood|neighbourhood|nightclub|north pole|"
    "northern lights|oasis|observatory|ocean floor|old town|orbit|outback|outcrop|paddy|pantry|"
    "pavement stones|pebbles|pedestrian zone|penthouse|permafrost|petrol station|piste|plains|planetarium|"
    "plateau|playpen|promenade|pub|pumpkin patch|racecourse|racing track|railway station|ranch|rapids|"
    "ravine|rice field|rice paddy|ridge|river bank|riverside|salt flat|salt flats|sandbar|sawdust|"
    "school hall|screen wall|sea floor|seafloor|seafront|shallow water|shallows|ship deck|shipyard|"
    "shop window|ski piste|skies|slope|snowbank|soccer field|south pole|spaceship interior|stables|stadium|"
    "staircase|stairs|stairwell|steppe|stratosphere|street corner|suburb|suburbs|subway station|"
    "summit|sunroom|swamp|swampland|taiga|tavern|tennis court|theme park|thicket|throne room|tide pool|"
    "times square|town square|town street|toy shop|train station|tunnel|underpass|vault|veld|veranda|"
    "reading nook|nook|alcove|den|creek bed|lake bed|river bed|riverbed|sea bed|waiting room|"
    "walk-in closet|wardrobe interior|warehouse|waterfront|waterhole|watering hole|"
    "wetland|whirlpool|wilderness|window ledge|window pane|window sills|windowpane|wine cellar|"
    "clay court|canopy|jungle canopy|towpath|"
    "bike lane|cycle lane|walkway|high street|main street|"
    "roundabout|motorway|freeway|showroom|canteen|cafeteria|dance floor|dancefloor|ski resort|"
    "bowling alley|"
    "courtroom|aisle|sauna|moorland|heath|heathland|bog|mangrove|delta|estuary|inlet|loch|rock pool|"
    "rockpool|brook|"
    "glade|copse|forest path|treetops|alps|himalayas|snowscape|landscape|"
    f"zebra crossing|{_TOWNS}".split("|")
)
# A ground under "on" or "in", an object otherwise.
EITHER: Final = frozenset(
    "earth|mars|venus|jupiter|saturn|neptune|pluto|barn|iceberg|volcano|fence|picket fence|hedge|"
    "bar counter|bar top|beach towel|bedside cabinet|bedside table|bedspread|blanket|boardwalk|bridge|"
    "carpet|catwalk|cloth|coffee table|conveyor belt|counter|countertop|cutting mat|desk|dining table|"
    "dinner table|dock|doormat|dressing table|footbridge|garden table|island|jetty|kitchen island|"
    "kitchen table|kitchen worktop|landing stage|map|marble slab|mat|night stand|picnic blanket|"
    "picnic cloth|picnic table|pier|platform|porch steps|potting bench|quilt|reception desk|roof|"
    "roof terrace|roof tiles|rooftop|rug|shelf|side table|sideboard|slab|stage|table|table top|tablecloth|"
    "tabletop|tabletops|tarp|towel|trestle table|viaduct|wall shelf|wharf|work table|workbench|worktop|"
    "yoga mat".split("|")
)
# Things named after a known noun that they are not: it is not looked for in them.
STRANGERS: Final = frozenset(
    "hot dog|prairie dog|guinea pig|sea horse|sea cow|sea lion|clothes horse|pommel horse|star fish|"
    "jelly fish|"
    "cuttle fish|letter box|post box|mail box|phone box|telephone box|music box|match box|cable car|"
    "movie star|film star|rock star|pop star|piano key|keyboard key|oil drum|prickly pear|compass rose|"
    "light house|sleeping bag|tea bag|bean bag|punching bag".split("|")
)
LIGHTS: Final = frozenset(
    "rain shower|snow shower|rainfall|cloudburst|dusk light|first light|last light|nightfall|daybreak|"
    "sundown|backlighting|sunray|sunrays|gloom|smog|"
    "downpour|sandstorm|hailstorm|gale|rush hour|lunchtime|christmas|halloween|easter|monsoon|neon lights|"
    "fairy lights|sunlit haze|frost|sunset|sunrise|dawn|dusk|twilight|noon|midday|midnight|night|nighttime|"
    "morning|afternoon|evening|day|daytime|daylight|light|lighting|sunlight|sunshine|moonlight|candlelight|"
    "lamplight|starlight|firelight|fog|mist|haze|rain|storm|thunderstorm|snowstorm|snowfall|shade|shadow|"
    "shadows|winter|summer|spring|autumn|fall|weather|golden hour|morning sun|evening sun|setting sun|"
    "rising sun|blue hour|glow|backlight|darkness|dark|sun|drizzle|wind|breeze|christmas time|blizzard|"
    "sunbeam|sunbeams|neon light|spotlight|heat".split("|")
)
# One of these words is a light only after a preposition ("in the sun"); else it may be a thing ("a sun").
LIGHT_AFTER_PREPOSITION: Final = frozenset(
    {"sun", "dark", "fall", "spring", "wind", "storm", "spotlight", "rain"}
)
