import { Health } from './health.js';
import { Metrics } from './metrics.js';

test('H2 counters, gauges and histograms appear in the text, each name once', async () => {
  const metrics = new Metrics();
  const options = { name: 'posthorn_events_total', help: 'events', labels: ['outcome'] };
  metrics.counter(options).inc({ outcome: 'stored' }, 2);
  metrics.counter(options).inc({ outcome: 'stored' });
  metrics.counter({ name: 'posthorn_gaps_total', help: 'gaps' });
  metrics.gauge({ name: 'posthorn_queue_items', help: 'queue' }).set(4);
  metrics.histogram({ name: 'posthorn_append_seconds', help: 'append', buckets: [0.1, 1] }).observe(0.5);
  const text = await metrics.text();
  expect(text).toContain('posthorn_events_total{outcome="stored"} 3');
  expect(text).toContain('posthorn_gaps_total 0');
  expect(text).toContain('posthorn_queue_items 4');
  expect(text).toContain('posthorn_append_seconds_bucket{le="1"} 1');
  expect(() => metrics.gauge({ name: 'queue', help: 'no prefix' })).toThrow('not a metric name');
});

test('A2 ready means that every check passes and nobody drains; a check that throws does not pass', () => {
  const health = new Health();
  let isStoreUp: boolean | string = true;
  let told = 0;
  health.add('store', () => isStoreUp);
  health.onDraining(() => (told += 1));
  expect(health.readiness()).toEqual({ isReady: true, checks: { store: 'ok' } });
  isStoreUp = 'no connection';
  expect(health.readiness()).toEqual({ isReady: false, checks: { store: 'no connection' } });
  isStoreUp = true;
  health.add('broken', () => {
    throw new Error('x');
  });
  expect(health.readiness().checks['broken']).toBe('the check failed');
  health.setDraining();
  health.setDraining();
  health.onDraining(() => (told += 10));
  expect([health.readiness().checks['drain'], told]).toEqual(['draining', 11]);
});
