// Marp's settings: our theme, HTML in slides, and diagrams written as text (Graphviz).
import { instance } from '@viz-js/viz'

const graphviz = await instance()
const look = {
  graphAttributes: { bgcolor: 'transparent', fontname: 'Arial', fontsize: 18, fontcolor: '#1d1b22' },
  nodeAttributes: {
    fontname: 'Arial', fontsize: 18, fontcolor: '#1d1b22', color: '#2f5a8f', penwidth: 2,
    shape: 'box', style: 'rounded,filled', fillcolor: '#f3efe8', margin: '0.16,0.1',
  },
  edgeAttributes: {
    fontname: 'Arial', fontsize: 18, fontcolor: '#4a453c', color: '#4a453c', penwidth: 1.6,
  },
}

/** Fences marked `dot` become SVG, in the size they are drawn in: 18 is 18 points on the slide. */
function diagrams({ marpit }) {
  const { rules } = marpit.markdown.renderer
  const fence = rules.fence
  rules.fence = (tokens, index, ...rest) => {
    if (tokens[index].info.trim() !== 'dot') return fence(tokens, index, ...rest)
    const svg = graphviz.renderString(tokens[index].content, { format: 'svg_inline', ...look })
    return `<div class="figure">${svg}</div>\n`
  }
}

export default {
  allowLocalFiles: true,
  html: true,
  themeSet: ['theme.css'],
  theme: 'darkroom',
  engine: ({ marp }) => marp.use(diagrams),
}
