/**
 * The marks for the end of a run, at the last point of each of its curves.
 */

const SIZE = 4.5;

const SHAPES = {
  finished: disc,
  stopped: square,
  failed: cross,
  interrupted: cross,
};

/**
 * Mark the ends of curves whose runs have ended.
 * @param {uPlot} plot
 * @param {object[]} curves of the plot's series, in order, each with the `state` of its run
 * @param {string[]} colours of the curves
 */
export function markEnds(plot, curves, colours) {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  ctx.save();
  // The previous drawing may have been dashed and faint.
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
  ctx.beginPath();
  // Do not clip marks in the corners of the plot.
  const margin = 2 * SIZE * window.devicePixelRatio;
  ctx.rect(left - margin, top - margin, width + 2 * margin, height + 2 * margin);
  ctx.clip();
  curves.forEach((curve, index) => {
    const last = curve.faint ? -1 : curve.y.findLastIndex((value) => value !== null);
    const shape = SHAPES[curve.state];
    if (!shape || last < 0 || !within(plot, curve.x[last])) return;
    ctx.fillStyle = colours[index];
    ctx.strokeStyle = colours[index];
    const x = plot.valToPos(curve.x[last], "x", true);
    shape(ctx, x, plot.valToPos(curve.y[last], "y", true), SIZE * window.devicePixelRatio);
  });
  ctx.restore();
}

function within(plot, x) {
  return x >= plot.scales.x.min && x <= plot.scales.x.max;
}

function disc(ctx, x, y, size) {
  ctx.beginPath();
  ctx.arc(x, y, size, 0, 2 * Math.PI);
  ctx.fill();
}

function square(ctx, x, y, size) {
  ctx.fillRect(x - size, y - size, 2 * size, 2 * size);
}

function cross(ctx, x, y, size) {
  ctx.lineWidth = size / 1.8;
  ctx.beginPath();
  for (const sign of [1, -1]) {
    ctx.moveTo(x - size, y - sign * size);
    ctx.lineTo(x + size, y + sign * size);
  }
  ctx.stroke();
}
