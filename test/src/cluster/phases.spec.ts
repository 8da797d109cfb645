import { expect, test } from '@jest/globals';
import { type Attempt, type SentRequest } from '../load/history.js';
import { answersByPhase, type Phase, problemsOf } from './phases.js';

const PHASES: readonly Phase[] = [
  { name: 'upgrade', startMs: 100, isCutting: false },
  { name: 'kill ingress', startMs: 200, isCutting: true },
];
const attempt = (sentMs: number, status: number, answeredMs = sentMs + 5): Attempt => ({
  ...{ intendedMs: sentMs, sentMs, answeredMs, status },
});
const request = (attempts: Attempt[], isForged = false): SentRequest => ({
  ...{ id: 'r', tenant: 't', sourceId: 's', bodyHash: 'h', isForged, events: [], attempts },
});

test('attempts are counted where they left, also those that left before everything', () => {
  const requests = [
    request([attempt(50, 200), attempt(150, 503, 190)]),
    request([attempt(199, 204), attempt(200, 0), attempt(230, 200)]),
  ];
  expect(answersByPhase(PHASES, requests)).toEqual([
    { phase: PHASES[0], answers: 3, unavailable: 1, cut: 0, refused: 0, slowestMs: 40 },
    { phase: PHASES[1], answers: 1, unavailable: 0, cut: 1, refused: 0, slowestMs: 5 },
  ]);
});

test('forged requests are refused, and that is no refusal', () => {
  expect(answersByPhase(PHASES, [request([attempt(150, 401)], true)])[0]!.refused).toBe(0);
});

test('a request without answer is a problem unless a door was killed; other refusals always are', () => {
  const requests = [
    request([attempt(110, 0), attempt(120, 500), attempt(130, 200)]),
    request([attempt(210, 0), attempt(220, 200)]),
  ];
  expect(problemsOf(answersByPhase(PHASES, requests))).toEqual([
    'upgrade: 1 requests were refused with other than 503',
    'upgrade: 1 requests had no answer',
  ]);
});

test('a phase in which nothing was answered has shown nothing', () => {
  expect(problemsOf(answersByPhase(PHASES, [request([attempt(110, 200)])]))).toEqual([
    'kill ingress: nothing was answered, so nothing was tried',
  ]);
});
