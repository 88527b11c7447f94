import test from 'ava';
import { drawTimeline, orderProblems, spansOf } from '../../deploy/demo/timeline.js';

const tiers = [
  { what: 'databases', nodes: ['db'] },
  { what: 'application servers', nodes: ['app1', 'app2'] },
  { what: 'load balancer', nodes: ['lb'] },
];
const span = (node: string, start: number, end: number) => ({ node, task: 't', start, end });

test('tiers one after the other are in order, nodes of one tier may overlap', (t) => {
  const spans = [span('db', 0, 100), span('app1', 100, 300), span('app2', 150, 250), span('lb', 310, 400)];
  t.deepEqual(orderProblems(tiers, spans), []);
});

test('a node that starts before any of the tiers below has ended is named', (t) => {
  const spans = [span('db', 0, 100), span('app1', 90, 300), span('app2', 150, 250), span('lb', 260, 400)];
  t.deepEqual(orderProblems(tiers, spans), [
    'app1 started 10 ms before db had ended',
    'lb started 40 ms before app1 had ended',
  ]);
});

test('what the nodes noted becomes spans; what is missing or twice is a problem', (t) => {
  const { spans, problems } = spansOf(
    [
      { node: 'db', text: 'e1 t_db start 10\ne1 t_db end 20\ne0 t_db start 1\n' },
      { node: 'app1', text: 'e1 t_app start 20\n' },
      { node: 'app2', text: '' },
      { node: 'lb', text: 'e1 t_lb start 30\ne1 t_lb end 40\ne1 t_lb start 50\ne1 t_lb end 60\n' },
    ],
    'e1',
  );
  t.deepEqual(spans, [
    { node: 'db', task: 't_db', start: 10, end: 20 },
    { node: 'lb', task: 't_lb', start: 30, end: 40 },
  ]);
  t.deepEqual(problems, ['app1 started t_app and did not finish it', 'app2 did not run', 'lb ran 2 times']);
});

test('bars stand on one scale', (t) => {
  const lines = drawTimeline([span('db', 1000, 1500), span('app1', 1500, 2000)], 1000, 10);
  t.deepEqual(lines, ['db    █████·····  0.00 – 0.50 s  t', 'app1  ·····█████  0.50 – 1.00 s  t']);
});
