"""The comparer itself: what it must see, and what it must not."""

import cells
import compare
import markup
import normal


def message(kind, channel="iopub", **content):
    return {"channel": channel, "type": kind, "content": content, "metadata": {}, "buffers": []}


def found(theirs, ours):
    return [one.place for one in compare.of_request("cell", normal.Normal("/there").request(theirs),
                                                    normal.Normal("/here").request(ours))]


def test_the_notebook_is_read_with_what_the_person_does():
    one, other = cells.read("# %% first [type: a | b]\nx = 1\n\n# %% %%bash\necho [no act]\n")
    assert (one.title, one.act, one.words, one.code) == ("first", "type", "a | b", "x = 1")
    assert (other.title, other.act, other.code) == ("%%bash", "", "echo [no act]")


def test_titles_are_unique():
    titles = [cell.title for cell in cells.read()]
    assert len(titles) > 150 and len(set(titles)) == len(titles)


def test_pieces_of_a_stream_are_one_and_other_text_is_seen():
    pieces = [message("stream", name="stdout", text="a"), message("stream", name="stdout", text="b")]
    assert found(pieces, [message("stream", name="stdout", text="ab")]) == []
    assert found(pieces, [message("stream", name="stdout", text="a")]) == ["stream stdout"]


def test_order_kinds_and_metadata_are_seen():
    shown = message("display_data", data={"text/plain": "1"}, metadata={})
    result = message("execute_result", data={"text/plain": "1"}, metadata={})
    assert "order" in found([shown, result], [result, shown])
    assert found([shown], [message("display_data", data={"text/plain": "1"}, metadata={"a": 1})]) == [
        "display_data/metadata", "display_data/metadata/a"]


def test_what_changes_each_time_is_no_difference():
    def said(text):
        return [message("stream", name="stdout", text=text)]
    assert found(said("<f at 0x7fe70001> /there/a.py 1.5 ms ± 3 µs"),
                 said("<f at 0x7fe7beef> /here/a.py 2 s ± 1 ns")) == []
    assert found(said("/there/a.py"), said("/elsewhere/a.py")) == ["stream stdout"]


def test_images_are_compared_loosely():
    def image(size, grey):
        return [message("display_data", data={"image/png": {"size": size, "pixels": [grey] * 4}}, metadata={})]
    assert found(image([4, 4], 100), image([4, 4], 103)) == []
    assert found(image([4, 4], 100), image([4, 4], 150)) == ["display_data/data/image/png"]
    assert found(image([4, 4], 100), image([5, 4], 100)) == ["display_data/data/image/png"]


def test_the_output_filters_way_of_writing_is_no_difference_and_loss_is():
    theirs = '<style scoped>.a th { color: red; }</style><p class="a" style="color: red;">x</p>'
    ours = ('<div class="cb-scope-0a" style="contain:paint;overflow:auto"><style>.cb-scope-0a .cb-a th{color:red}</style>'
            '<p class="cb-a" style="color:red">x</p></div>')
    assert markup.plain(theirs) == markup.plain(ours)
    assert markup.plain(theirs) != markup.plain(ours.replace(">x<", ">y<"))
    assert markup.plain("<td colspan=2>1</td>") != markup.plain("<td>1</td>")
