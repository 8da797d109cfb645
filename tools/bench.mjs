// `npm run bench`: measures against the machine's bound in the same run. Arguments: --quick --blocks N --seed N.
import { runJudge } from './run-judge.mjs';

runJudge('bench/main.js');
