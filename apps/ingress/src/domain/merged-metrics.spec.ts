import { mergedMetrics } from './merged-metrics.js';

const worker = (requests: number, lag: number, bucket: number): string => `# HELP posthorn_x_total Requests
# TYPE posthorn_x_total counter
posthorn_x_total{outcome="stored",provider="a} 1"} ${requests}

# HELP nodejs_eventloop_lag_seconds Lag
# TYPE nodejs_eventloop_lag_seconds gauge
nodejs_eventloop_lag_seconds ${lag}

# HELP posthorn_y_seconds Time
# TYPE posthorn_y_seconds histogram
posthorn_y_seconds_bucket{le="0.1"} ${bucket}
posthorn_y_seconds_bucket{le="+Inf"} ${bucket}
posthorn_y_seconds_sum ${bucket / 10}
`;

test('H2 counters and histograms of all processes add up, a delay shows the worst', () => {
  // A scrape that reached one process of two would show half of the truth, and another half the next time.
  expect(mergedMetrics([worker(3, 0.5, 2), worker(4, 0.25, 8)])).toBe(`# HELP posthorn_x_total Requests
# TYPE posthorn_x_total counter
posthorn_x_total{outcome="stored",provider="a} 1"} 7
# HELP nodejs_eventloop_lag_seconds Lag
# TYPE nodejs_eventloop_lag_seconds gauge
nodejs_eventloop_lag_seconds 0.5
# HELP posthorn_y_seconds Time
# TYPE posthorn_y_seconds histogram
posthorn_y_seconds_bucket{le="0.1"} 10
posthorn_y_seconds_bucket{le="+Inf"} 10
posthorn_y_seconds_sum 1
`);
});

test('H2 one process alone is shown as it is', () => {
  expect(mergedMetrics(['# TYPE a gauge\na +Inf\nb NaN\n'])).toBe('# TYPE a gauge\na +Inf\nb NaN\n');
});
