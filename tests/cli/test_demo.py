"""The demo, where it cannot be shown; what it shows is compared with the README in tests/docs."""

import os
import subprocess
import sys

from holdfast import demo


def test_without_its_extra_the_demo_says_in_one_sentence_what_to_install(tmp_path):
    code = "import sys; sys.modules['safetensors'] = None; from holdfast.cli import main; sys.exit(main(['demo']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr == "holdfast: the demo needs safetensors: pip install 'holdfast[demo]'\n"


def test_the_demo_touches_no_directory_that_holds_something(tmp_path, holdfast):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    said = holdfast("demo", "--dir", tmp_path)
    assert said.code == 1
    assert [mine] == list(tmp_path.iterdir())


def test_the_training_is_real_and_its_loss_falls():
    points, side = demo.spirals(300, seed=0)
    optimizer = demo.Adam(demo.fresh(seed=0))
    losses = []
    for _ in range(40):
        slopes, loss = demo.gradients(optimizer.weights, points, side)
        optimizer.update(slopes)
        losses.append(loss)
    assert losses[-1] < 0.5 * losses[0]


def test_the_gradients_are_those_of_the_loss():
    points, side = demo.spirals(20, seed=0)
    weights = demo.fresh(seed=0)
    slopes, _ = demo.gradients(weights, points, side)
    tiny = 1e-6
    for name in weights:
        place = (0,) * weights[name].ndim
        moved = {k: w.copy() for k, w in weights.items()}
        moved[name][place] += tiny
        up = demo.loss(demo.activations(moved, points)[-1][:, 0], side)
        moved[name][place] -= 2 * tiny
        down = demo.loss(demo.activations(moved, points)[-1][:, 0], side)
        assert abs((up - down) / (2 * tiny) - slopes[name][place]) < 1e-6


def test_a_bare_install_is_enough_to_scan_plan_and_prune(run):
    code = (
        "import sys\n"
        "from holdfast.cli import main\n"
        f"assert main(['scan', {str(run)!r}]) == 0\n"
        f"assert main(['prune', {str(run)!r}, 'latest(3)', '--yes']) == 0\n"
        "own = {'holdfast', 'numpy', 'typer', 'click', 'rich', '__main__', 'annotated_doc', 'typing_extensions', 'shellingham'}\n"
        "tops = {name.partition('.')[0] for name, module in sys.modules.items() if getattr(module, '__file__', None)}\n"
        "print(sorted(tops - own - sys.stdlib_module_names), file=sys.stderr)\n"
    )
    clean = {**os.environ, "PYTHONNOUSERSITE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr
    assert [
        t for t in eval(done.stderr.splitlines()[-1]) if not t.startswith(("_", "sitecustomize", "distutils"))
    ] == []
