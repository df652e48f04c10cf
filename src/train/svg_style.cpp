#include "train/svg.h"

namespace triptych {

// The heat map's colours h0 … h12 lie on straight lines in OKLab from blue (less than a fair share)
// over the neutral h6 to orange (more): equal steps look equally far apart.
std::string_view svg_style() {
  return R"css(
:root {
  color-scheme: light dark;
  --page: #f6f5f2; --surface: #ffffff; --ink: #1d1c1a; --soft: #5d5b55; --faint: #8e8b83;
  --grid: #e9e7e1; --s1: #2368c4; --s2: #d4581c; --s3: #7a4fb5; --s4: #23835a;
  --h0: #0d5ab8; --h1: #3670c1; --h2: #5787ca; --h3: #779dd2; --h4: #9ab5da; --h5: #bfcee2;
  --h6: #efeeea; --h7: #eacabd; --h8: #e4ad99; --h9: #dd9279; --h10: #d57859; --h11: #cc5e39;
  --h12: #c2410c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131312; --surface: #1c1c1a; --ink: #ecebe6; --soft: #b3b0a7; --faint: #7f7c74;
    --grid: #2d2c2a; --s1: #6ca8f5; --s2: #f28a52; --s3: #b18be8; --s4: #5cc394;
    --h0: #5aa9ff; --h1: #5697de; --h2: #5185be; --h3: #4c729d; --h4: #455f7b; --h5: #3e4b58;
    --h6: #33322f; --h7: #5c4538; --h8: #7e543e; --h9: #9f6343; --h10: #bf7047; --h11: #df7d4a;
    --h12: #ff8a4c;
  }
}
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
           fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .axis-label { fill: var(--faint); }
svg .name { fill: var(--ink); }
svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .base { stroke: var(--faint); stroke-width: 1; }
svg path { fill: none; stroke-linecap: round; stroke-linejoin: round; }
svg .curve { stroke-width: 2; }
svg .thin { stroke-width: 1; stroke-opacity: .33; }
svg .level { stroke-width: 1.5; stroke-dasharray: 6 5; }
svg .s1 { stroke: var(--s1); } svg .s2 { stroke: var(--s2); }
svg .s3 { stroke: var(--s3); } svg .s4 { stroke: var(--s4); }
svg .quiet { stroke: var(--faint); }
svg circle.dot { fill: var(--surface); stroke-width: 2; }
svg .hover { fill: var(--ink); fill-opacity: 0; }
svg .hover:hover { fill-opacity: .08; }
svg .cells { stroke: none; }
svg .h0 { fill: var(--h0); } svg .h1 { fill: var(--h1); } svg .h2 { fill: var(--h2); }
svg .h3 { fill: var(--h3); } svg .h4 { fill: var(--h4); } svg .h5 { fill: var(--h5); }
svg .h6 { fill: var(--h6); } svg .h7 { fill: var(--h7); } svg .h8 { fill: var(--h8); }
svg .h9 { fill: var(--h9); } svg .h10 { fill: var(--h10); } svg .h11 { fill: var(--h11); }
svg .h12 { fill: var(--h12); }
)css";
}

}  // namespace triptych
