"""What small objects promise where several processes look at them."""

import pyarrow.fs as pafs

from fallrisk_assets.lake.objects import list_folder


def test_a_folder_that_is_not_there_has_nothing_in_it(tmp_path):
    assert list_folder(pafs.LocalFileSystem(), str(tmp_path / "none")) == []


def test_a_folder_that_appears_while_it_is_looked_for_is_listed(tmp_path):
    folder = tmp_path / "new"

    class Race:
        """Arrow's answer where another process makes the folder between its two looks."""

        def get_file_info(self, selector):
            if not folder.exists():
                folder.mkdir()
                (folder / "entry.json").write_text("{}")
                raise FileNotFoundError(f"Cannot list directory '{folder}'")
            return pafs.LocalFileSystem().get_file_info(selector)

    assert [info.base_name for info in list_folder(Race(), str(folder))] == ["entry.json"]
