// Points on WebGL 2. While the view moves, the drawn picture is moved by the browser's compositor,
// and drawn sharp again when it rests: so moving stays fluid on machines without a graphics card.

import { KDBush, polygonContains, select, zoom, zoomIdentity } from "./vendor.js";
import { s } from "./dom.js";

const VERTEX = `#version 300 es
in vec2 place; in vec4 colour; uniform vec4 view; uniform float size; out vec4 tint;
void main() { gl_Position = vec4(place * view.xy + view.zw, 0.0, 1.0); gl_PointSize = size; tint = colour; }`;
const FRAGMENT = `#version 300 es
precision mediump float; in vec4 tint; out vec4 pixel;
void main() { vec2 d = gl_PointCoord - 0.5; if (dot(d, d) > 0.25) discard; pixel = vec4(tint.rgb * tint.a, tint.a); }`;

const REST_MS = 140;
const REACH = 9; // pixels from a point that count as on it
const STEP = 60; // pixels that an arrow key moves
const ZOOMS = [0.6, 400];

export class Scatter {
  /** `hovered`, `picked` and `lassoed` are told the numbers of points. Throws without WebGL 2. */
  constructor(container, { hovered, picked, lassoed }) {
    Object.assign(this, { container, hovered, picked, lassoed, count: 0, view: zoomIdentity, drawn: zoomIdentity });
    this.canvas = container.appendChild(document.createElement("canvas"));
    this.overlay = container.appendChild(s("svg", { "aria-hidden": "true" }));
    this.gl = this.canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
    if (!this.gl) throw new Error("no WebGL 2");
    this.prepare();
    this.zoom = zoom().scaleExtent(ZOOMS).filter((event) => !this.isLasso && (!event.button || event.type === "wheel")).on("zoom", ({ transform }) => this.moved(transform));
    select(container).call(this.zoom).on("dblclick.zoom", null);
    this.listen();
    new ResizeObserver(() => this.resized()).observe(container);
  }

  prepare() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.bindAttribLocation(program, 0, "place");
    gl.bindAttribLocation(program, 1, "colour");
    gl.linkProgram(program);
    gl.useProgram(program);
    this.uniforms = { view: gl.getUniformLocation(program, "view"), size: gl.getUniformLocation(program, "size") };
    this.buffers = [gl.createBuffer(), gl.createBuffer()];
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** Show points at `x`, `y` (any units), coloured by `colours`: 4 bytes each. */
  show(x, y, colours) {
    const { gl } = this;
    this.count = x.length;
    this.places = fitted(x, y);
    this.index = new KDBush(Math.max(this.count, 1));
    for (let i = 0; i < this.count; i += 1) this.index.add(this.places[2 * i], this.places[2 * i + 1]);
    if (!this.count) this.index.add(0, 0);
    this.index.finish();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[0]);
    gl.bufferData(gl.ARRAY_BUFFER, this.places, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.colour(colours);
  }

  /** Give the points other colours. */
  colour(colours) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[1]);
    gl.bufferData(gl.ARRAY_BUFFER, colours, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    this.draw();
  }

  resized() {
    const { clientWidth: width, clientHeight: height } = this.container;
    if (!width || (width === this.width && height === this.height)) return;
    const dots = Math.min(devicePixelRatio || 1, 2);
    Object.assign(this, { width, height, dots, side: Math.min(width, height) * 0.9 });
    Object.assign(this.canvas, { width: 2 * width * dots, height: 2 * height * dots });
    this.zoom.extent([[0, 0], [width, height]]).translateExtent([[-width, -height], [2 * width, 2 * height]]);
    this.draw();
  }

  /** Where the square of all points lies on the screen: its left upper corner, and its side. */
  frame(view = this.view) {
    return {
      left: view.applyX((this.width - this.side) / 2),
      top: view.applyY((this.height - this.side) / 2),
      side: this.side * view.k,
    };
  }

  draw() {
    if (!this.width || !this.places) return;
    const { gl, width, height } = this;
    clearTimeout(this.resting);
    this.drawn = this.view;
    const { left, top, side } = this.frame();
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform4f(this.uniforms.view, side / width, -side / height, left / width - 0.5, 0.5 - top / height);
    gl.uniform1f(this.uniforms.size, this.dots * this.pointSize());
    gl.drawArrays(gl.POINTS, 0, this.count);
    this.canvas.style.transform = "";
  }

  pointSize() {
    const base = this.count < 2_000 ? 8 : this.count < 20_000 ? 5 : 3;
    return Math.min(base * Math.sqrt(this.view.k), 14);
  }

  moved(view) {
    this.view = view;
    const { drawn, width, height } = this;
    const scale = view.k / drawn.k;
    const x = (width / 2) * (1 - scale) - drawn.x * scale + view.x;
    const y = (height / 2) * (1 - scale) - drawn.y * scale + view.y;
    this.canvas.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    clearTimeout(this.resting);
    const uncovered = x > width / 2 || y > height / 2 || x + 2 * width * scale < 1.5 * width || y + 2 * height * scale < 1.5 * height;
    if (uncovered || scale > 3) this.draw();
    else this.resting = setTimeout(() => this.draw(), REST_MS);
  }

  /** The point at a place of the screen, if there is one. */
  at(x, y) {
    const { left, top, side } = this.frame();
    const [px, py] = [(x - left) / side, (y - top) / side];
    let best = null;
    let nearest = Infinity;
    for (const i of this.count ? this.index.within(px, py, REACH / side) : []) {
      const distance = Math.hypot(this.places[2 * i] - px, this.places[2 * i + 1] - py);
      if (distance < nearest) [best, nearest] = [i, distance];
    }
    return best;
  }

  listen() {
    const { container } = this;
    const at = (event) => {
      const box = container.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    container.addEventListener("pointermove", (event) => {
      if (this.line) this.trace(at(event));
      else if (!event.buttons && !this.isLasso) this.hovered(this.at(...at(event)), ...at(event));
    });
    container.addEventListener("pointerleave", () => this.hovered(null));
    container.addEventListener("click", (event) => {
      const point = this.isLasso || event.defaultPrevented ? null : this.at(...at(event));
      if (point !== null) this.picked(point);
    });
    container.addEventListener("pointerdown", (event) => {
      if (!this.isLasso || event.button) return;
      container.setPointerCapture(event.pointerId);
      this.line = [at(event)];
    });
    container.addEventListener("pointerup", () => this.line && this.close());
    container.addEventListener("keydown", (event) => this.key(event));
  }

  /** Whether dragging draws around points instead of moving. */
  lasso(on) {
    this.isLasso = on;
    this.container.classList.toggle("lasso", on);
  }

  trace(point) {
    this.line.push(point);
    this.overlay.replaceChildren(s("polygon", { points: this.line.map((p) => p.join(",")).join(" ") }));
  }

  close() {
    const { left, top, side } = this.frame();
    const around = this.line.map(([x, y]) => [(x - left) / side, (y - top) / side]);
    this.line = null;
    this.overlay.replaceChildren();
    if (around.length < 3) return;
    const [xs, ys] = [around.map(([x]) => x), around.map(([, y]) => y)];
    const box = this.count ? this.index.range(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)) : [];
    this.lassoed(box.filter((i) => polygonContains(around, [this.places[2 * i], this.places[2 * i + 1]])));
  }

  key(event) {
    const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    const picture = select(this.container);
    if (moves[event.key]) this.zoom.translateBy(picture, ...moves[event.key].map((by) => by / this.view.k));
    else if (event.key === "+" || event.key === "=") this.scale(1.5);
    else if (event.key === "-") this.scale(1 / 1.5);
    else if (event.key === "0") this.all();
    else if (event.key === "Enter") this.pickCentre();
    else return;
    event.preventDefault();
  }

  /** Zoom in or out around the centre. */
  scale(by) {
    this.zoom.scaleBy(select(this.container), by);
  }

  /** Show all points. */
  all() {
    this.zoom.transform(select(this.container), zoomIdentity);
  }

  pickCentre() {
    const { left, top, side } = this.frame();
    const [x, y] = [(this.width / 2 - left) / side, (this.height / 2 - top) / side];
    let [best, nearest] = [null, Infinity];
    for (let i = 0; i < this.count; i += 1) {
      const distance = Math.hypot(this.places[2 * i] - x, this.places[2 * i + 1] - y);
      if (distance < nearest) [best, nearest] = [i, distance];
    }
    if (best !== null) this.picked(best);
  }
}

/** Points in the unit square, in their own proportions, up being up: `(2n)` floats. */
function fitted(x, y) {
  const [left, right] = extent(x);
  const [low, high] = extent(y);
  const span = Math.max(right - left, high - low) || 1;
  const places = new Float32Array(2 * x.length);
  for (let i = 0; i < x.length; i += 1) {
    places[2 * i] = 0.5 + (x[i] - (left + right) / 2) / span;
    places[2 * i + 1] = 0.5 - (y[i] - (low + high) / 2) / span;
  }
  return places;
}

function extent(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}
