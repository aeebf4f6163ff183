import type { Verification } from './api.ts'
import { createSvg, show } from './dom.ts'

type Status = Verification['status']
type Point = { x: number, y: number }
type Size = { width: number, height: number }
type Layout = {
  size: Size, begin: Point, pending: Point, box: Size, endBox: Size
  ends: Readonly<Record<Exclude<Status, 'pending'>, Point>>
  /** The path from `pending` to one of the ends. */
  edge (to: Point): string
}

/** The ends are beside `pending`, */
const wide: Layout = {
  size: { width: 640, height: 196 }, begin: { x: 30, y: 98 }, pending: { x: 236, y: 98 },
  box: { width: 132, height: 52 }, endBox: { width: 148, height: 34 },
  ends: {
    verified: { x: 548, y: 25 }, failed: { x: 548, y: 74 }, expired: { x: 548, y: 122 }, canceled: { x: 548, y: 171 },
  },
  edge: ({ y }) => `M302 98C388 98 388 ${y} 468 ${y}`,
}
/** or below it, where the page is narrow. */
const narrow: Layout = {
  size: { width: 340, height: 224 }, begin: { x: 16, y: 90 }, pending: { x: 170, y: 90 },
  box: { width: 120, height: 48 }, endBox: { width: 80, height: 32 },
  ends: {
    verified: { x: 42, y: 206 }, failed: { x: 127, y: 206 }, expired: { x: 213, y: 206 }, canceled: { x: 298, y: 206 },
  },
  edge: ({ x }) => `M170 114C170 154 ${x} 144 ${x} 184`,
}

/** A rectangle around a point, with a text in its middle, and another one below. */
function drawState (name: string, { x, y }: Point, { width, height }: Size, lit: boolean, note = ''): SVGGElement {
  return createSvg('g', { class: `state ${name}${lit ? ' lit' : ''}` },
    createSvg('rect', { x: x - width / 2, y: y - height / 2, width, height, rx: height / 2 }),
    createSvg('text', { x, y: note === '' ? y + 5 : y - 2 }, name),
    note !== '' && createSvg('text', { x, y: y + 15, class: 'note' }, note))
}

const drawArrow = (d: string, lit: boolean): SVGPathElement =>
  createSvg('path', { d, class: lit ? 'edge lit' : 'edge', 'marker-end': lit ? 'url(#arrow-lit)' : 'url(#arrow)' })

function drawMarker (id: string): SVGMarkerElement {
  return createSvg('marker', {
    id, viewBox: '0 0 8 8', refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto-start-reverse',
  }, createSvg('path', { d: 'M0 0L8 4L0 8z' }))
}

function describe (verification: Verification | null): string {
  if (verification === null) return 'No verification yet.'
  const { status, reason, attempts, workflow } = verification
  const ending = reason === null ? '' : `, ${reason}`
  return `The verification is ${status}${ending}. Attempt ${attempts.length} of ${workflow.length}.`
}

/** Draws the states of a verification and how it went through them; the present one is highlighted. Null: none yet. */
export function drawStates (figure: Element, verification: Verification | null, isNarrow: boolean): void {
  const { size, begin, pending, box, endBox, ends, edge } = isNarrow ? narrow : wide
  const { status = null, attempts = [], workflow = [] } = verification ?? {}
  const loops = Math.max(0, attempts.length - 1)
  const { x, y } = pending
  const [left, top] = [x - box.width / 2, y - box.height / 2]
  show(figure,
    createSvg('svg', { viewBox: `0 0 ${size.width} ${size.height}`, role: 'img', 'aria-label': describe(verification) },
      createSvg('defs', {}, drawMarker('arrow'), drawMarker('arrow-lit')),
      createSvg('circle', { class: 'begin', cx: begin.x, cy: begin.y, r: 7 }),
      createSvg('text', { class: 'label', x: (begin.x + left) / 2, y: y - 10 }, 'create'),
      drawArrow(`M${begin.x + 8} ${y}H${left - 7}`, verification !== null),
      drawArrow(`M${x - 34} ${top}C${x - 60} ${top - 50} ${x + 60} ${top - 50} ${x + 36} ${top - 6}`, loops > 0),
      createSvg('text', { class: 'label', x, y: top - 50 + 2 }, loops === 0 ? 'next method' : `next method, ${loops}×`),
      ...Object.entries(ends).map(([name, point]) => drawArrow(edge(point), status === name)),
      drawState('pending', pending, box, status === 'pending',
        status === 'pending' && workflow.length > 0 ? `${attempts.length} of ${workflow.length}` : ''),
      ...Object.entries(ends).map(([name, point]) => drawState(name, point, endBox, status === name))))
}
