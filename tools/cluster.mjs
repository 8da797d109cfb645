// `npm run test:cluster`: tries images and chart on the Kubernetes that KUBECONFIG names. Arguments: test/src/cluster/arguments.ts.
import { runJudge } from './run-judge.mjs';

runJudge('cluster/main.js');
