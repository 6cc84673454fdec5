// E2B's SDK for JavaScript against `cellblock serve`: node javascript.mjs FOLDER_OF_NODE_MODULES

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.argv[2], 'package.json'))
const { Sandbox, TimeoutError, CommandExitError, FileNotFoundError, AuthenticationError, SandboxNotFoundError } = require('@e2b/code-interpreter')

const textOf = (messages) => messages.map((one) => one.line).join('')

async function cells(box) {
  const out = []
  const errors = []
  const results = []
  const figure = await box.runCode("import sys, matplotlib.pyplot as plt\nprint('on')\nprint('err', file=sys.stderr)\nplt.plot([1, 4]); plt.show()\n6 * 7", {
    onStdout: (one) => out.push(one), onStderr: (one) => errors.push(one), onResult: (one) => results.push(one), timeoutMs: 60_000 })
  assert.equal(textOf(out), 'on\n')
  assert.equal(textOf(errors), 'err\n')
  assert.equal(figure.text, '42')
  assert.equal(Buffer.from(results[0].png, 'base64').subarray(1, 4).toString(), 'PNG')
  assert.equal(figure.executionCount, 1)

  const chart = results[0].chart
  assert.equal(chart.type, 'line')
  assert.equal(chart.x_scale, 'linear')
  assert.deepEqual(chart.elements[0].points, [[0, 1], [1, 4]])
  const charts = await box.runCode("fig, axes = plt.subplots(1, 5)\naxes[0].scatter([1], [2]); axes[1].bar(['a'], [2]); axes[2].pie([1]); axes[3].boxplot([1, 2, 3])\n" +
    "axes[4].imshow([[1]]); plt.show()", { timeoutMs: 60_000 })
  assert.equal(charts.results[0].chart.type, 'superchart')
  assert.deepEqual(charts.results[0].chart.elements.map((one) => one.type), ['scatter', 'bar', 'pie', 'box_and_whisker', 'unknown'])
  const table = await box.runCode("import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', None]})", { timeoutMs: 60_000 })
  assert.deepEqual(table.results[0].data, { a: [1, 2], b: ['x', null] })

  const arrived = []
  await box.runCode("import time\nprint(1)\ntime.sleep(1)", { onStdout: () => arrived.push(Date.now()) })
  assert.ok(Date.now() - arrived[0] > 700, 'output came only at the end')

  const failed = await box.runCode('1 / 0')
  assert.equal(failed.error.name, 'ZeroDivisionError')
  assert.match(failed.error.traceback, /division by zero/)

  await box.runCode('kept = 1')
  await assert.rejects(box.runCode('while True: pass', { timeoutMs: 1000 }), TimeoutError)
  assert.equal((await box.runCode('kept', { timeoutMs: 5000 })).text, '1')

  const context = await box.createCodeContext({ cwd: '/tmp' })
  assert.equal((await box.runCode('import os; os.getcwd()', { context })).text, '/tmp')
  assert.equal((await box.runCode('kept', { context })).error.name, 'NameError')
  await box.restartCodeContext(context)
  assert.ok((await box.listCodeContexts()).some((one) => one.id === context.id))
  await box.removeCodeContext(context)
  assert.equal((await box.runCode("import os; os.environ['A']", { envs: { A: 'a' } })).text, 'a')
}

async function files(box) {
  assert.equal((await box.files.write('d/a.txt', 'a')).path, '/home/user/d/a.txt')
  assert.equal(await box.files.read('d/a.txt'), 'a')
  await box.files.write([{ path: 'd/b.bin', data: new Uint8Array([255, 0]).buffer }, { path: 'd/c.txt', data: new Blob(['c']) }])
  assert.deepEqual([...await box.files.read('d/b.bin', { format: 'bytes' })], [255, 0])
  assert.equal(await (await box.files.read('d/c.txt', { format: 'blob' })).text(), 'c')
  assert.equal((await box.files.write('d/packed.txt', 'packed', { gzip: true })).path, '/home/user/d/packed.txt')
  assert.equal(await box.files.read('d/packed.txt', { gzip: true }), 'packed')
  await box.files.remove('d/packed.txt')
  assert.deepEqual((await box.files.list('d')).map((one) => one.name).sort(), ['a.txt', 'b.bin', 'c.txt'])
  assert.equal((await box.files.rename('d/a.txt', 'z.txt')).path, '/home/user/z.txt')
  assert.equal((await box.files.getInfo('z.txt')).size, 1)
  assert.equal(await box.files.makeDir('e'), true)
  assert.equal(await box.files.makeDir('e'), false)
  await box.files.remove('d')
  assert.equal(await box.files.exists('d'), false)
  await assert.rejects(box.files.read('none'), FileNotFoundError)
}

async function commands(box) {
  const out = []
  const done = await box.commands.run('echo out; echo err >&2', { onStdout: (text) => out.push(text) })
  assert.deepEqual([done.stdout, done.stderr, done.exitCode, out.join('')], ['out\n', 'err\n', 0, 'out\n'])
  await assert.rejects(box.commands.run('exit 3'), (error) => error instanceof CommandExitError && error.exitCode === 3)
  await assert.rejects(box.commands.run('sleep 100', { timeoutMs: 1000 }), TimeoutError)
  const cat = await box.commands.run('cat', { background: true, stdin: true })
  assert.ok((await box.commands.list()).some((one) => one.pid === cat.pid))
  await box.commands.sendStdin(cat.pid, 'line\n')
  await box.commands.closeStdin(cat.pid)
  assert.equal((await cat.wait()).stdout, 'line\n')
  const sleep = await box.commands.run('sleep 100', { background: true })
  assert.equal(await sleep.kill(), true)
  await assert.rejects(sleep.wait(), CommandExitError)
  assert.equal(await box.commands.kill(999999), false)

  let shown = ''
  const terminal = await box.pty.create({ rows: 30, cols: 77, onData: (bytes) => { shown += Buffer.from(bytes).toString() } })
  await box.pty.sendInput(terminal.pid, new TextEncoder().encode('stty size; exit\n'))
  await terminal.wait()
  assert.match(shown, /30 77/)
}

async function life(box) {
  assert.equal(await box.isRunning(), true)
  const pages = Sandbox.list({ query: { metadata: { from: 'javascript' } } })
  assert.deepEqual((await pages.nextItems()).map((one) => one.sandboxId), [box.sandboxId])
  await box.setTimeout(600_000)
  assert.ok((await box.getInfo()).endAt - Date.now() > 500_000)
  await box.runCode('x = 1')
  const again = await Sandbox.connect(box.sandboxId)
  assert.equal((await again.runCode('x')).text, '1')
  await assert.rejects(Sandbox.create({ apiKey: 'e2b_' + '0'.repeat(40) }), AuthenticationError)
  assert.equal(await box.kill(), true)
  assert.equal(await box.isRunning(), false)
  assert.equal(await Sandbox.kill(box.sandboxId), false)
  await assert.rejects(Sandbox.connect(box.sandboxId), SandboxNotFoundError)
}

const box = await Sandbox.create({ metadata: { from: 'javascript' } })
try {
  for (const part of [cells, files, commands, life]) {
    await part(box)
    console.log(part.name)
  }
} finally {
  await box.kill()
}
console.log('all of it')
